//! A cgroup with a CPU quota and a memory limit, of version 2 or 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "sc-auth-bench";

/// Its folders: one for each controller in version 1. They are removed when the value is dropped.
pub struct Cgroup {
    cpu: PathBuf,
    memory: PathBuf,
}

impl Cgroup {
    /// `cpu` in thousandths of a core, `memory` in MiB.
    pub fn create(cpu: u64, memory: u64) -> std::io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let is_v2 = root.join("cgroup.controllers").exists();
        let cgroup = if is_v2 {
            fs::write(root.join("cgroup.subtree_control"), "+cpu +memory")?;
            Self { cpu: root.join(NAME), memory: root.join(NAME) }
        } else {
            Self { cpu: root.join("cpu").join(NAME), memory: root.join("memory").join(NAME) }
        };
        fs::create_dir_all(&cgroup.cpu)?;
        fs::create_dir_all(&cgroup.memory)?;
        let bytes = (memory << 20).to_string();
        if is_v2 {
            fs::write(cgroup.cpu.join("cpu.max"), format!("{} 100000", cpu * 100))?;
            fs::write(cgroup.memory.join("memory.max"), bytes)?;
        } else {
            fs::write(cgroup.cpu.join("cpu.cfs_period_us"), "100000")?;
            fs::write(cgroup.cpu.join("cpu.cfs_quota_us"), (cpu * 100).to_string())?;
            fs::write(cgroup.memory.join("memory.limit_in_bytes"), bytes)?;
        }
        Ok(cgroup)
    }

    /// A command that runs in it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                "echo $$ > \"$1/cgroup.procs\" && echo $$ > \"$2/cgroup.procs\" && shift 2 && exec \"$@\"",
                "sh",
            ])
            .args([&self.cpu, &self.memory])
            .arg(program);
        command
    }

    /// The number of periods in which it was throttled so far.
    pub fn throttled(&self) -> std::io::Result<u64> {
        let text = fs::read_to_string(self.cpu.join("cpu.stat"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        Ok(line.and_then(|count| count.parse().ok()).unwrap_or(0))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in [&self.cpu, &self.memory] {
            // It can be removed once its processes have ended, which takes a moment.
            for _ in 0..50 {
                if fs::remove_dir(folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }
}
