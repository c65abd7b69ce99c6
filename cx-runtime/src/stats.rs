//! Counters of a machine.

use crate::meter::Traffic;
use std::fmt::Write;

/// What a machine has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Guest instructions.
    pub instructions: u64,
    /// System calls.
    pub syscalls: u64,
    /// Page faults served from memory.
    pub minor_faults: u64,
    /// Page faults that waited for a device.
    pub major_faults: u64,
    /// Processes there are, zombies included.
    pub processes: u64,
    /// Bytes that programs may use.
    pub memory_limit: u64,
    /// Bytes of pages in use, cached files included.
    pub memory_in_use: u64,
    /// Bytes of host memory taken for pages.
    pub memory_taken: u64,
    /// Bytes of cached files.
    pub cached_bytes: u64,
    /// Block devices.
    pub disk: Traffic,
}

impl Stats {
    /// Names and values, in a stable order.
    pub fn fields(&self) -> [(&'static str, u64); 14] {
        [
            ("instructions", self.instructions),
            ("syscalls", self.syscalls),
            ("minor_faults", self.minor_faults),
            ("major_faults", self.major_faults),
            ("processes", self.processes),
            ("memory_limit", self.memory_limit),
            ("memory_in_use", self.memory_in_use),
            ("memory_taken", self.memory_taken),
            ("cached_bytes", self.cached_bytes),
            ("disk_reads", self.disk.reads),
            ("disk_read_bytes", self.disk.read_bytes),
            ("disk_writes", self.disk.writes),
            ("disk_written_bytes", self.disk.written_bytes),
            ("disk_flushes", self.disk.flushes),
        ]
    }

    /// One flat JSON object; `more` goes to its end.
    pub fn to_json(&self, more: &[(&str, f64)]) -> String {
        let mut text = String::from("{\n");
        let own = self.fields();
        let count = own.len() + more.len();
        let fields = own.iter().map(|(name, value)| (*name, value.to_string()));
        let more = more.iter().map(|(name, value)| (*name, value.to_string()));
        for (i, (name, value)) in fields.chain(more).enumerate() {
            let comma = if i + 1 < count { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  \"{name}\": {value}{comma}");
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Stats;

    #[test]
    fn json_is_one_flat_object() {
        let text = Stats { instructions: 7, ..Stats::default() }.to_json(&[("seconds", 0.5)]);
        assert!(text.starts_with("{\n  \"instructions\": 7,\n"));
        assert!(text.ends_with("\"seconds\": 0.5\n}\n"));
        assert_eq!(text.matches(',').count() + 1, text.matches(':').count());
    }
}
