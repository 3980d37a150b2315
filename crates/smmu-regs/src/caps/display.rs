//! Capabilities as a table that a person can read.

use super::Caps;
use core::fmt;

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "architecture      SMMUv3.{}", self.minor_version)?;
        writeln!(f, "features          {}", self.features)?;
        writeln!(f, "output addresses  {}", self.oas)?;
        writeln!(f, "stage-1 input     {} bits", self.stage1_input_bits)?;
        writeln!(f, "stage-2 input     {} bits", self.stage2_input_bits())?;
        writeln!(f, "granules          {}", self.granules)?;
        writeln!(f, "ASID, VMID        {} bits, {} bits", self.asid_bits, self.vmid_bits)?;
        writeln!(f, "StreamID          {} bits", self.stream_id_bits)?;
        writeln!(f, "SubstreamID       {} bits", self.substream_id_bits)?;
        writeln!(
            f,
            "queue limits      commands 2^{}, events 2^{}, page requests 2^{}",
            self.command_queue_log2, self.event_queue_log2, self.pri_queue_log2
        )?;
        if let Some(ecmdq) = self.ecmdq {
            let (pages, queues) = (ecmdq.pages(), ecmdq.queues_per_page());
            writeln!(f, "enhanced queues   {pages} control pages of {queues} queues")?;
        }
        if let Some(offset) = self.vatos_offset {
            writeln!(f, "VATOS page        at {offset:#x}")?;
        }
        writeln!(f, "on a fault        {:?}, at most {} stalled", self.stall_model, self.stall_max)?;
        writeln!(f, "break-before-make {:?}", self.bbm)?;
        writeln!(f, "hardware updates  {:?}", self.httu)?;
        writeln!(f, "table endianness  {:?}", self.table_endianness)?;
        write!(f, "errata            ")?;
        let mut errata = self.errata().peekable();
        if errata.peek().is_none() {
            f.write_str("none known")?;
        }
        for (index, erratum) in errata.enumerate() {
            if index != 0 {
                f.write_str("\n                  ")?;
            }
            write!(f, "{erratum}")?;
        }
        if !self.quirks.is_empty() {
            write!(f, "\nquirks            {}", self.quirks)?;
        }
        for gap in self.version_gaps() {
            write!(f, "\nversion           {gap}")?;
        }
        for oddity in self.oddities().iter() {
            write!(f, "\nodd               {oddity}")?;
        }
        Ok(())
    }
}
