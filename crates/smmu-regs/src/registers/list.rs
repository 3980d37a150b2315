//! All registers as data: for tools that decode, list or filter accesses.

use super::*;
use crate::layout::{FieldInfo, Layout, Meaning};

/// A layout as data.
#[derive(Debug, Clone, Copy)]
pub struct LayoutInfo {
    /// The architecture's name without `SMMU_`; see [`Place::name`] for its name in another bank.
    pub name: &'static str,
    /// Width in bits: 32 or 64.
    pub width: u32,
    /// Its fields, from the least significant up.
    pub fields: &'static [FieldInfo],
    /// What is known of each field.
    pub meanings: &'static [Meaning],
}

impl LayoutInfo {
    pub(super) const fn of<L: Layout>() -> Self {
        Self { name: L::NAME, width: L::WIDTH, fields: L::FIELDS, meanings: L::MEANINGS }
    }
}

/// A register as data.
#[derive(Debug, Clone, Copy)]
pub struct RegisterInfo {
    /// Its fields.
    pub layout: LayoutInfo,
    /// Its fields if bit 0 is 1, where that selects other ones: the results of address translation operations.
    pub fault: Option<LayoutInfo>,
    /// Access kind.
    pub access: Access,
    /// Its place in each bank that has it.
    pub places: &'static [Place],
}

impl RegisterInfo {
    const fn of<R: Register>() -> Self {
        Self { layout: LayoutInfo::of::<R>(), fault: None, access: R::ACCESS, places: R::PLACES }
    }

    const fn or<F: Layout>(self) -> Self {
        Self { fault: Some(LayoutInfo::of::<F>()), ..self }
    }

    /// The fields of `value`.
    #[must_use]
    pub const fn layout_of(&self, value: u64) -> LayoutInfo {
        match self.fault {
            Some(fault) if value & 1 == 1 => fault,
            _ => self.layout,
        }
    }
}

macro_rules! list {
    ($($name:ident $(=> $fault:ident)?)*) => {
        /// Every register that has a place of its own, of all banks. Those of the enhanced command queues, which are many
        /// of a kind, are found by [`describe`] too.
        pub const REGISTERS: &[RegisterInfo] = &[$(RegisterInfo::of::<$name>()$(.or::<$fault>())?),*];
    };
}

list! {
    Idr0 Idr1 Idr2 Idr3 Idr4 Idr5 Idr6 Iidr Aidr
    Cr0 Cr0ack Cr1 Cr2 Statusr Gbpa Agbpa S2pii
    IrqCtrl IrqCtrlack Gerror Gerrorn GerrorIrqCfg0 GerrorIrqCfg1 GerrorIrqCfg2
    EventqIrqCfg0 EventqIrqCfg1 EventqIrqCfg2 PriqIrqCfg0 PriqIrqCfg1 PriqIrqCfg2
    StrtabBase StrtabBaseCfg
    CmdqBase CmdqProd CmdqCons EventqBase EventqProd EventqCons PriqBase PriqProd PriqCons
    GatosCtrl GatosSid GatosAddr GatosPar => GatosParFault
    VatosSel VatosCtrl VatosSid VatosAddr VatosPar => VatosParFault
    Mpamidr Gmpam Gbpmpam SMpamidr SGmpam SGbpmpam RMpamidr RGmpam
    DptBase DptBaseCfg DptCfgFar
    Pidr0 Pidr1 Pidr2 Pidr3 Pidr4 Pidr5 Pidr6 Pidr7 Cidr0 Cidr1 Cidr2 Cidr3
    SIdr0 SIdr1 SIdr2 SIdr3 SCr0 SCr0ack SCr2 SInit SGbpa SIrqCtrl SIrqCtrlack SGerror SGerrorn
    SGatosSid SGatosAddr SGatosPar => SGatosParFault SVatosSid SVatosPar => SVatosParFault
    RIdr0 RIdr1 RIdr2 RIdr3 RIdr4 RGbpa RGerror RGerrorn RGerrorIrqCfg0 REventqIrqCfg0 RPriqIrqCfg0 RMecidr RGmecid
    RootIdr0 RootCr0 RootCr0ack RootGptBase RootGptBaseCfg RootGpfFar RootGptCfgFar RootTlbi RootTlbiCtrl RootGptBase2
    RootGptBaseUpdate
}
