//! A cgroup with a memory limit, version 2 or 1, like a pod's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Its folder is removed when the value is dropped.
pub struct Cgroup {
    folder: PathBuf,
    is_v2: bool,
}

impl Cgroup {
    pub fn with_memory(mib: u64) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("sc-auth-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let is_v2 = root.join("cgroup.controllers").exists();
        if is_v2 {
            fs::write(root.join("cgroup.subtree_control"), "+memory").unwrap();
        }
        let folder = if is_v2 { root.join(name) } else { root.join("memory").join(name) };
        fs::create_dir_all(&folder).unwrap();
        let file = if is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(folder.join(file), (mib << 20).to_string()).unwrap();
        Self { folder, is_v2 }
    }

    /// A shell script that runs a program in it.
    pub fn script(&self) -> String {
        format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", self.folder.display())
    }

    /// The memory of its processes in MiB, without cached files.
    pub fn used(&self) -> u64 {
        let wanted: &[&str] = if self.is_v2 { &["anon", "kernel", "sock"] } else { &["total_rss"] };
        let text = fs::read_to_string(self.folder.join("memory.stat")).unwrap();
        let number = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            wanted.contains(&name).then(|| number.parse::<u64>().unwrap())
        };
        text.lines().filter_map(number).sum::<u64>() >> 20
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It can be removed once its processes have ended, which takes a moment.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}
