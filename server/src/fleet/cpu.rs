//! CPU seconds of threads and processes, as the kernel counts them. Linux; elsewhere the figures are absent.

use std::fs;

/// Clock ticks a second in `/proc/PID/stat`: the kernel's interface to programs has it at 100 on every common architecture.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds, user and system, that a process has used with all its threads, dead ones included, to a hundredth.
pub fn process_cpu_s(process: Option<u32>) -> Option<f64> {
    let path = match process {
        Some(id) => format!("/proc/{id}/stat"),
        None => "/proc/self/stat".to_owned(),
    };
    cpu_s_of_stat(&fs::read_to_string(path).ok()?)
}

/// CPU seconds that the calling thread has used.
pub fn thread_cpu_s() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Resident memory of a process in megabytes (2^20 bytes).
pub fn resident_mb(process: Option<u32>) -> Option<f64> {
    let path = match process {
        Some(id) => format!("/proc/{id}/status"),
        None => "/proc/self/status".to_owned(),
    };
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn cpu_s_of_stat(text: &str) -> Option<f64> {
    // The second field is the program's name in brackets and may itself hold blanks and brackets.
    let after_name = &text[text.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::cpu_s_of_stat;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let text = "42 (a ) (b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_s_of_stat(text), Some(3.0));
        assert_eq!(cpu_s_of_stat("no brackets"), None);
        assert_eq!(cpu_s_of_stat("1 (short) S"), None);
    }
}
