//! Turns a [`Config`] into QEMU's arguments.
//!
//! `-S` keeps the CPU from ever running; `-qtest stdio` commands the machine instead (Debian's build has no
//! `-accel qtest`, so the accelerator is tcg, idle). `-nodefaults` keeps a network card off 00:01.0, and
//! `-qtest-log none` keeps every command from being echoed to stderr.

use crate::config::{Config, Machine};
use crate::error::QemuError;

const FIXED: &str = "-cpu cortex-a57 -accel tcg -S -display none -nodefaults -monitor none -serial none \
                     -qtest stdio -qtest-log none -d guest_errors,unimp,invalid_mem";

/// All arguments. `ram_path` names the file, `config.ram_bytes` long, that becomes guest RAM.
pub(crate) fn arguments(config: &Config, ram_path: &str) -> Result<Vec<String>, QemuError> {
    let bytes = config.ram_bytes;
    let (machine, stage) = match config.machine {
        // QEMU 9.1 would default to stage 1; from virt-9.2 on the machine is nested whatever the property
        // says.
        Machine::Nested => ("virt", "nested"),
        Machine::Stage1 => ("virt-9.1", "1"),
        Machine::Stage2 => ("virt-9.1", "2"),
    };
    let mut arguments: Vec<String> = FIXED.split_whitespace().map(String::from).collect();
    let mut add = |option: &str, value: String| arguments.extend([option.to_string(), value]);
    add("-object", format!("memory-backend-file,id=ram0,size={bytes},mem-path={ram_path},share=on"));
    add("-machine", format!("{machine},iommu=smmuv3,memory-backend=ram0"));
    add("-global", format!("arm-smmuv3.stage={stage}"));
    add("-m", format!("size={bytes}B"));
    for (slot, bus) in config.ports()? {
        add(
            "-device",
            format!("pcie-root-port,id=port{bus},bus=pcie.0,addr={slot:#x},chassis={bus},slot={bus}"),
        );
    }
    for (index, device) in config.devices.iter().enumerate() {
        let bus = if device.bus == 0 { "pcie.0".to_string() } else { format!("port{}", device.bus) };
        let shared = |d: &&crate::DeviceSlot| (d.bus, d.slot) == (device.bus, device.slot);
        let many = if config.devices.iter().filter(shared).any(|d| d.function != 0) { "on" } else { "off" };
        let (slot, function) = (device.slot, device.function);
        // A rocker's name must differ from the others', and be at most 9 characters long.
        add(
            "-device",
            format!("rocker,name=r{index},bus={bus},addr={slot:#x}.{function},multifunction={many}"),
        );
    }
    Ok(arguments)
}
