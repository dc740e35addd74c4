//! What the system knows of this process, under the names that every Prometheus client uses.

#[cfg(target_os = "linux")]
pub(super) use self::linux::metrics;

/// Only Linux tells, for now.
#[cfg(not(target_os = "linux"))]
pub(super) fn metrics(_udp_ports: &[u16]) -> String {
    String::new()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

    use super::super::exposition::Exposition;

    /// What the system knows of datagrams, by socket.
    const SOCKETS: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

    /// Reads `/proc`; what it does not tell is left out. `udp_ports` are those of the listeners.
    pub(in super::super) fn metrics(udp_ports: &[u16]) -> String {
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
        // A system without one of the two families has no file for it.
        let tables = SOCKETS.iter().filter_map(|table| fs::read_to_string(table).ok());
        if let Some(drops) = tables.map(|table| receive_drops(&table, udp_ports)).reduce(u64::saturating_add) {
            page.counter(
                "dialtone_turn_receive_drops_total",
                "Datagrams that the system dropped because a listener's buffer was full.",
                drops,
            );
        }
        page.finish()
    }

    /// The sum of the `drops` column of `/proc/net/udp` or `/proc/net/udp6` over sockets on one of `ports`.
    fn receive_drops(table: &str, ports: &[u16]) -> u64 {
        table.lines().filter_map(|line| drops(line, ports)).sum()
    }

    /// `None` for the head of the table, and for other sockets.
    fn drops(line: &str, ports: &[u16]) -> Option<u64> {
        const LOCAL_ADDRESS: usize = 1;
        const DROPS: usize = 12;
        let mut columns = line.split_whitespace();
        let (_ip, port) = columns.nth(LOCAL_ADDRESS)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let drops = columns.nth(DROPS - LOCAL_ADDRESS - 1)?;
        if ports.contains(&port) { drops.parse().ok() } else { None }
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
        fn drops_are_summed_over_the_listeners_of_both_families() {
            const UDP: &str = "
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2568: 0100007F:0D96 00000000:0000 07 00000000:00000F00 00:00000000 00000000     0        0 24575815 2 0000000035f8092a 17
 2569: 0200007F:0D97 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 24575816 2 0000000035f8092b 4
16322: 00000000:C350 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 24575837 2 000000000e0d94f0 9
";
            const UDP6: &str = "
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2568: 00000000000000000000000001000000:0D96 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 24575836 2 00000000e68e7ab7 25
";
            assert_eq!(receive_drops(UDP, &[3478]), 17);
            assert_eq!(receive_drops(UDP, &[3478, 3479, 3478]), 21);
            assert_eq!(receive_drops(UDP6, &[3478]), 25);
            assert_eq!(receive_drops(UDP, &[]), 0);
            assert_eq!(receive_drops("", &[3478]), 0);
        }

        #[test]
        fn drops_of_a_listener_are_there() {
            assert!(metrics(&[3478]).contains("\ndialtone_turn_receive_drops_total "));
        }

        #[test]
        fn this_process_has_all_four() {
            let page = metrics(&[]);
            for name in
                ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"]
            {
                assert!(page.contains(&format!("\n{name} ")), "{name}: {page}");
            }
        }
    }
}
