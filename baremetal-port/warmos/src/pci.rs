//! PCI configuration through its two ports, and the functions that are there.
//!
//! Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2.

use crate::ports::{in32, out32};
use alloc::vec::Vec;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::virtio_device_type;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;
const BUSES: u8 = 8;

/// Configuration space by ports: the first 256 bytes of each function.
#[derive(Clone, Copy, Debug)]
pub struct Ports;

fn select(function: DeviceFunction, register: u8) {
    let DeviceFunction { bus, device, function } = function;
    let place = u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8;
    out32(ADDRESS, ENABLE | place | u32::from(register & 0xfc));
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        select(function, register);
        in32(DATA)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        select(function, register);
        out32(DATA, data);
    }

    #[allow(unsafe_code, reason = "room: ports")]
    unsafe fn unsafe_clone(&self) -> Self {
        Ports
    }
}

/// The first function of a vendor and device.
pub fn find(vendor: u16, device: u16) -> Option<DeviceFunction> {
    let root = PciRoot::new(Ports);
    let functions = (0..BUSES).flat_map(|bus| root.enumerate_bus(bus).collect::<Vec<_>>());
    let mut fitting = functions.filter(|(_, info)| (info.vendor_id, info.device_id) == (vendor, device));
    fitting.next().map(|(function, _)| function)
}

/// The functions that are virtio block devices, in order of their places; they may use memory and act
/// as bus masters from now on.
pub fn block_devices() -> Vec<DeviceFunction> {
    let mut root = PciRoot::new(Ports);
    let mut found = Vec::new();
    for bus in 0..BUSES {
        for (function, info) in root.enumerate_bus(bus) {
            if virtio_device_type(&info) == Some(DeviceType::Block) {
                found.push(function);
            }
        }
    }
    for &function in &found {
        let (_, command) = root.get_status_command(function);
        root.set_command(function, command | Command::MEMORY_SPACE | Command::BUS_MASTER);
    }
    found
}
