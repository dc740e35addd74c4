//! What the system knows of this process, under the names that every Prometheus client uses.

#[cfg(target_os = "linux")]
pub(super) use self::linux::metrics;

/// Only Linux tells, for now.
#[cfg(not(target_os = "linux"))]
pub(super) fn metrics() -> String {
    String::new()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

    use super::super::exposition::Exposition;

    /// Reads `/proc`; what it does not tell is left out.
    pub(in super::super) fn metrics() -> String {
        let mut page = Exposition::default();
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let (user, system) = (usage.user_time(), usage.system_time());
            let micros = 1_000_000 * (user.tv_sec() + system.tv_sec()) + user.tv_usec() + system.tv_usec();
            page.counter(
                "process_cpu_seconds_total",
                "CPU time of the process, in user and in kernel mode.",
                format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
            );
        }
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
            page.gauge("process_resident_memory_bytes", "Memory that the process has in RAM.", bytes);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            let open = files.count().saturating_sub(1);
            page.gauge("process_open_fds", "Open file descriptors.", open);
        }
        if let Ok((soft, _hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            page.gauge("process_max_fds", "Most open file descriptors.", soft);
        }
        page.finish()
    }

    /// The line `VmRSS:     1234 kB` of `/proc/self/status`.
    fn resident_bytes(status: &str) -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        kib.checked_mul(1024)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn resident_memory_is_in_bytes() {
            assert_eq!(resident_bytes("VmSize:\t  9 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n"), Some(1_263_616));
            assert_eq!(resident_bytes("VmSize:\t  9 kB\n"), None);
        }

        #[test]
        fn this_process_has_all_four() {
            let page = metrics();
            for name in
                ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"]
            {
                assert!(page.contains(&format!("\n{name} ")), "{name}: {page}");
            }
        }
    }
}
