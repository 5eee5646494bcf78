//! What the operating system knows about the process, on Linux. Elsewhere, nothing.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The unit of processor time in `/proc`, as a fraction of a second. It is the same on every architecture that Rust
/// supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resources {
    /// Resident memory, in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// Virtual memory, in bytes.
    pub(super) virtual_bytes: Option<u64>,
    /// Processor time of all threads, in seconds.
    pub(super) cpu_seconds: Option<f64>,
    /// The number of threads.
    pub(super) threads: Option<u64>,
    /// The number of open file descriptors.
    pub(super) open_descriptors: Option<u64>,
    /// The limit on open file descriptors.
    pub(super) max_descriptors: Option<u64>,
}

impl Resources {
    /// Those of this process, now.
    pub(super) fn current() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            resident_bytes: kibibytes(&status, "VmRSS:"),
            virtual_bytes: kibibytes(&status, "VmSize:"),
            cpu_seconds: cpu_seconds(&stat),
            threads: value(&status, "Threads:"),
            // One of them reads the directory.
            open_descriptors: open.and_then(|open| u64::try_from(open).ok()?.checked_sub(1)),
            max_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The number in a line of `/proc/self/status`.
fn value(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The bytes of a line with a number of KiB.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    value(status, name)?.checked_mul(1024)
}

/// The time in user mode and in the kernel. The name of the program, in parentheses, may contain anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || times.next()?.parse::<u32>().ok().map(f64::from);
    Some((time()? + time()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tbyline\nVmSize:\t  204800 kB\nVmRSS:\t   30720 kB\nThreads:\t7\n";

    #[test]
    fn memory_is_in_kibibytes() {
        assert_eq!(kibibytes(STATUS, "VmRSS:"), Some(31_457_280));
        assert_eq!(kibibytes(STATUS, "VmSize:"), Some(209_715_200));
        assert_eq!(value(STATUS, "Threads:"), Some(7));
        assert_eq!(value(STATUS, "VmSwap:"), None);
    }

    #[test]
    fn processor_time_is_that_of_user_mode_and_of_the_kernel() {
        let stat = "4242 (by) line 9) S 1 4242 4242 0 -1 4194560 2104 0 3 0 150 50 0 0 20 0 7 0 123 456 789";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        for broken in ["", "4242 (byline) S 1", "4242 byline S 1 2 3"] {
            assert_eq!(cpu_seconds(broken), None, "{broken:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_all_of_them() {
        let Resources {
            resident_bytes,
            virtual_bytes,
            cpu_seconds,
            threads,
            open_descriptors,
            max_descriptors,
        } = Resources::current();
        assert!(resident_bytes.unwrap() > 1 << 20 && virtual_bytes >= resident_bytes);
        assert!(cpu_seconds.unwrap() >= 0.0);
        assert!(threads.unwrap() >= 1 && open_descriptors.unwrap() >= 3);
        assert!(max_descriptors.is_none_or(|limit| limit >= open_descriptors.unwrap()));
    }
}
