//! What a process cost, from /proc.

use std::fs;
use std::thread;
use std::time::Instant;

/// Ticks of /proc/PID/stat in a second; the kernel fixes it at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    /// In the program's own code.
    pub user: f64,
    /// In the kernel on its behalf.
    pub system: f64,
}

impl Usage {
    /// So far, of all threads that the process has or had.
    pub fn of(pid: u32) -> Usage {
        let [user, system, ..] = seconds(pid).expect("the process lives");
        Usage { user, system }
    }

    /// So far, of several processes.
    pub fn of_all(pids: &[u32]) -> Usage {
        pids.iter()
            .map(|pid| Usage::of(*pid))
            .fold(Usage::default(), |all, one| Usage { user: all.user + one.user, system: all.system + one.system })
    }

    /// What was added since then.
    pub fn since(self, before: Usage) -> Usage {
        Usage { user: self.user - before.user, system: self.system - before.system }
    }

    /// User and system together.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

/// CPU seconds of a process, user and system, and the same of the children that it waited for; none if it is gone.
fn seconds(pid: u32) -> Option<[f64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, is in brackets and may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number") / TICKS_PER_SECOND;
    Some([ticks(11), ticks(12), ticks(13), ticks(14)])
}

/// CPU of the whole machine, of this program and of the processes that it started.
pub struct Machine {
    at: Instant,
    busy: f64,
    ours: f64,
}

impl Machine {
    /// So far.
    pub fn now() -> Machine {
        let stat = fs::read_to_string("/proc/stat").expect("the kernel counts");
        let fields: Vec<f64> =
            stat.lines().next().unwrap_or("").split_whitespace().filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; interrupts serve us as well as others.
        let busy = (fields[0] + fields[1] + fields[2] + fields[7]) / TICKS_PER_SECOND;
        Machine { at: Instant::now(), busy, ours: family().into_iter().filter_map(seconds).flatten().sum() }
    }

    /// The share of the machine that others took since then, 0 to 1.
    pub fn neighbours(&self) -> f64 {
        let now = Machine::now();
        let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
        let others = (now.busy - self.busy) - (now.ours - self.ours);
        (others / (now.at - self.at).as_secs_f64() / cores).max(0.0)
    }
}

/// This process and its children.
fn family() -> Vec<u32> {
    let mut pids = vec![std::process::id()];
    let tasks = fs::read_dir("/proc/self/task").expect("a process has threads");
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    pids
}

/// Bytes that the process sent to a device or left in the page cache for it.
pub fn device_bytes(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("the process lives");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).expect("the kernel counts bytes")
}

/// Per cent of the last ten seconds in which some task waited for a CPU; 0 where the kernel does not say.
pub fn cpu_pressure() -> f64 {
    let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let average = text.split("avg10=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    average.unwrap_or(0.0)
}
