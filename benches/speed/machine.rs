//! On what was it measured?

use std::fs;
use std::process::Command;

/// Processor, cores, memory, kernel, compiler and date, in a line.
pub fn description() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let memory = field(&file("/proc/meminfo"), "MemTotal");
    let kilobytes = memory.split(' ').next().and_then(|text| text.parse().ok());
    let gigabytes: f64 = kilobytes.unwrap_or(0.0) / f64::from(1 << 20);
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .output();
    let rustc = rustc.map_or_else(
        |_| "rustc unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!(
        "{}, {} cores, {gigabytes:.0} GB; Linux {}; {rustc}; touchstone {}; {}; load before {}",
        field(&file("/proc/cpuinfo"), "model name"),
        cores(),
        file("/proc/sys/kernel/osrelease").trim(),
        env!("CARGO_PKG_VERSION"),
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z"),
        file("/proc/loadavg").split(' ').next().unwrap_or("unknown"),
    )
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
