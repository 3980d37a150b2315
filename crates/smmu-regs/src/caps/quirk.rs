//! What errata and firmware ask software to do differently.

use super::bitmap::bitmap;

bitmap! {
    /// Something that software must do differently on this SMMU.
    Quirk in
    /// A set of quirks.
    Quirks(u32) {
        /// Never leave 64 commands without a `CMD_SYNC` among them: a batch of 63 ends with one.
        ForceSync = "FORCE_SYNC" from "Arm 2812531",
        /// Issue every CFGI and TLBI batch twice, the second time after the first one's `CMD_SYNC` has completed. A host
        /// that runs a guest on such an SMMU must tell the guest too ([`Hints::quirks`](super::Hints::quirks)), since it
        /// does not repeat the guest's batches by itself.
        RepeatCfgiTlbi = "REPEAT_CFGI_TLBI" from "NVIDIA T264-SMMU-3",
        /// Page 1 is not there: the SMMU takes 64 KiB of addresses, and the registers of page 1 are at the same offsets in
        /// page 0.
        Page0Only = "PAGE0_REGS_ONLY" from "Cavium 74",
        /// One interrupt line for everything: its handler serves the event queue, the PRI queue and the global errors.
        CombinedInterrupt = "COMBINED_IRQ" from "Cavium 126",
        /// `CMD_PREFETCH_CONFIG` must not be sent.
        SkipPrefetch = "SKIP_PREFETCH" from "HiSilicon Hi161x",
        /// Devices' writes to the interrupt controller's doorbell are not translated: its frame must be kept out of the
        /// address space that devices are given.
        UntranslatedMsi = "UNTRANSLATED_MSI" from "HiSilicon 161010701, 161010803",
    }
}
