//! The container's limits: the CPU quota and the memory limit of the cgroup, version 2 or 1.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Both limits; `None` means unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// In cores.
    pub cpu: Option<f64>,
    /// In bytes.
    pub memory: Option<u64>,
}

impl Limits {
    /// The limits of this process.
    pub fn read() -> Self {
        Self::read_from(Path::new("/sys/fs/cgroup"), &read_to_string("/proc/self/cgroup").unwrap_or_default())
    }

    fn read_from(root: &Path, membership: &str) -> Self {
        let mut limits = Self::default();
        for line in membership.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let has = |name: &str| controllers.split(',').any(|controller| controller == name);
            if controllers.is_empty() {
                limits.tighten(root, path, cpu_v2, memory_v2);
            }
            if has("cpu") {
                limits.tighten(&root.join("cpu"), path, cpu_v1, |_| None);
            }
            if has("memory") {
                limits.tighten(&root.join("memory"), path, |_| None, memory_v1);
            }
        }
        limits
    }

    /// Applies the smallest limit between the group and the root; files that a container cannot see are skipped.
    fn tighten(
        &mut self,
        root: &Path,
        path: &str,
        cpu: impl Fn(&Path) -> Option<f64>,
        memory: impl Fn(&Path) -> Option<u64>,
    ) {
        let group = PathBuf::from(path.trim_start_matches('/'));
        for ancestor in group.ancestors() {
            let folder = root.join(ancestor);
            self.cpu = self.cpu.into_iter().chain(cpu(&folder)).reduce(f64::min);
            self.memory = self.memory.into_iter().chain(memory(&folder)).min();
        }
    }
}

fn cpu_v2(folder: &Path) -> Option<f64> {
    let text = read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    cores(quota, period)
}

fn cpu_v1(folder: &Path) -> Option<f64> {
    let read = |name| read_to_string(folder.join(name)).ok();
    cores(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
}

/// `None` if the quota is `max` (version 2) or -1 (version 1).
fn cores(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

fn memory_v2(folder: &Path) -> Option<u64> {
    read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()
}

fn memory_v1(folder: &Path) -> Option<u64> {
    // Without a limit, the file contains the largest possible number.
    const NONE: u64 = 1 << 62;
    read_to_string(folder.join("memory.limit_in_bytes")).ok()?.trim().parse().ok().filter(|limit| *limit < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn version_2_applies_the_smallest_limit_of_all_parent_groups() {
        let root = tree(&[
            ("pod/cpu.max", "50000 100000\n"),
            ("pod/c/cpu.max", "max 100000\n"),
            ("pod/memory.max", "max\n"),
            ("pod/c/memory.max", "134217728\n"),
        ]);
        let limits = Limits::read_from(root.path(), "0::/pod/c\n");
        assert_eq!(limits, Limits { cpu: Some(0.5), memory: Some(134_217_728) });
    }

    /// With a cgroup namespace of its own, as runtimes create it under version 2.
    #[test]
    fn a_container_under_version_2_sees_its_own_group_as_the_root() {
        let root = tree(&[("cpu.max", "150000 100000\n"), ("memory.max", "268435456\n"), ("memory.high", "max\n")]);
        let limits = Limits::read_from(root.path(), "0::/\n");
        assert_eq!(limits, Limits { cpu: Some(1.5), memory: Some(268_435_456) });
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let root = tree(&[
            ("cpu/cpu.cfs_quota_us", "150000\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/c/memory.limit_in_bytes", "67108864\n"),
        ]);
        let limits = Limits::read_from(root.path(), "4:memory:/c\n3:cpu,cpuacct:/not/seen/from/inside\n");
        assert_eq!(limits, Limits { cpu: Some(1.5), memory: Some(67_108_864) });
    }

    #[test]
    fn without_a_cgroup_there_is_no_limit() {
        let root = tree(&[("cpu.max", "max 100000"), ("memory.max", "max")]);
        assert_eq!(Limits::read_from(root.path(), "0::/\n"), Limits::default());
        assert_eq!(Limits::read_from(Path::new("/nowhere"), ""), Limits::default());
    }
}
