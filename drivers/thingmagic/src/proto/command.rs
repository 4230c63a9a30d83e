//! Commands (§C, §F).

use rfid_core::abilities::{Bank, Gen2Lock};

use super::frame::command;
use super::record::Metadata;

/// Operations of the protocol.
#[allow(missing_docs)]
pub mod opcode {
    pub const VERSION: u8 = 0x03;
    pub const BOOT_FIRMWARE: u8 = 0x04;
    pub const PROGRAM: u8 = 0x0C;
    pub const READ_TAGS: u8 = 0x22;
    pub const WRITE_ID: u8 = 0x23;
    pub const WRITE_DATA: u8 = 0x24;
    pub const LOCK: u8 = 0x25;
    pub const KILL: u8 = 0x26;
    pub const READ_DATA: u8 = 0x28;
    pub const FETCH_TAGS: u8 = 0x29;
    pub const CLEAR_TAGS: u8 = 0x2A;
    pub const CONTINUOUS: u8 = 0x2F;
    pub const GET_ANTENNAS: u8 = 0x61;
    pub const GET_READ_POWER: u8 = 0x62;
    pub const GET_GPIO: u8 = 0x66;
    pub const SET_ANTENNAS: u8 = 0x91;
    pub const SET_READ_POWER: u8 = 0x92;
    pub const SET_PROTOCOL: u8 = 0x93;
    pub const SET_GPIO: u8 = 0x96;
    pub const SET_REGION: u8 = 0x97;
    pub const SET_OPTION: u8 = 0x9A;
}

/// Option of a tag operation with neither filter nor password.
pub const NO_FILTER: u8 = 0x00;
/// Option of a tag operation with a password and no filter.
pub const PASSWORD_ONLY: u8 = 0x05;
/// Option that says that metadata follow.
pub const WITH_METADATA: u8 = 0x10;
/// Search flags of continuous reading: large population, streaming, search list.
pub const STREAMING: u16 = 0x001B;

/// Search flags of one search: large population, search list.
pub const SEARCH: u16 = 0x0013;

/// Searches once for so many milliseconds; what is found stays in the module.
pub fn search(time_out_ms: u16) -> Vec<u8> {
    let mut data = vec![NO_FILTER];
    data.extend(SEARCH.to_be_bytes());
    data.extend(time_out_ms.to_be_bytes());
    command(opcode::READ_TAGS, &data)
}

/// Takes the next records of what was found.
pub fn fetch_tags() -> Vec<u8> {
    let [high, low] = Metadata::USED.0.to_be_bytes();
    command(opcode::FETCH_TAGS, &[high, low, 0x00])
}

/// A command without data.
pub fn plain(opcode: u8) -> Vec<u8> {
    command(opcode, &[])
}

/// Takes each read as it comes instead of the first of each tag: the read filter is off.
pub fn read_filter_off() -> Vec<u8> {
    command(opcode::SET_OPTION, &[0x01, 0x0C, 0x00])
}

/// Asks which antennas are connected.
pub fn detect_antennas() -> Vec<u8> {
    command(opcode::GET_ANTENNAS, &[0x05])
}

/// Listens on these antennas in turn, each sending and receiving.
pub fn search_list(ports: &[u8]) -> Vec<u8> {
    let mut data = vec![0x02];
    data.extend(ports.iter().flat_map(|port| [*port, *port]));
    command(opcode::SET_ANTENNAS, &data)
}

/// Uses one antenna for the tag operations that follow.
pub fn one_antenna(port: u8) -> Vec<u8> {
    command(opcode::SET_ANTENNAS, &[port, port])
}

/// Sets the transmit power for reading, in hundredths of a dBm.
pub fn set_read_power(cdbm: i16) -> Vec<u8> {
    command(opcode::SET_READ_POWER, &cdbm.to_be_bytes())
}

/// Asks for the transmit power for reading and its limits.
pub fn get_read_power() -> Vec<u8> {
    command(opcode::GET_READ_POWER, &[0x01])
}

/// Sets the air protocol of tag operations.
pub fn set_protocol(code: u8) -> Vec<u8> {
    command(opcode::SET_PROTOCOL, &u16::from(code).to_be_bytes())
}

/// Sets the region.
pub fn set_region(code: u8) -> Vec<u8> {
    command(opcode::SET_REGION, &[code])
}

/// Asks for the levels of all pins.
pub fn get_pins() -> Vec<u8> {
    command(opcode::GET_GPIO, &[0x01])
}

/// Sets the level of an output.
pub fn set_pin(pin: u8, high: bool) -> Vec<u8> {
    command(opcode::SET_GPIO, &[pin, u8::from(high)])
}

/// Reads continuously, in cycles of so many milliseconds for each protocol.
pub fn start_reading(protocols: &[u8], cycle_ms: u16, metadata: Metadata) -> Vec<u8> {
    let mut data = vec![0x00, 0x00, 0x01, opcode::READ_TAGS, 0x00, 0x00];
    for protocol in protocols {
        data.extend([*protocol, 0x07, opcode::READ_TAGS, WITH_METADATA]);
        data.extend(STREAMING.to_be_bytes());
        data.extend(cycle_ms.to_be_bytes());
        data.extend(metadata.0.to_be_bytes());
    }
    command(opcode::CONTINUOUS, &data)
}

/// Ends continuous reading.
pub fn stop_reading() -> Vec<u8> {
    command(opcode::CONTINUOUS, &[0x00, 0x00, 0x02])
}

/// What stands in front of every tag operation: time-out and option.
fn operation(time_out_ms: u16, password: Option<u32>) -> Vec<u8> {
    let option = if password.is_some() { PASSWORD_ONLY } else { NO_FILTER };
    let mut data = time_out_ms.to_be_bytes().to_vec();
    data.push(option);
    data
}

/// Reads words of a bank.
pub fn read_data(time_out_ms: u16, password: Option<u32>, bank: Bank, address: u32, words: u8) -> Vec<u8> {
    let mut data = operation(time_out_ms, password);
    data.push(bank as u8);
    data.extend(address.to_be_bytes());
    data.push(words);
    data.extend(password.iter().flat_map(|password| password.to_be_bytes()));
    command(opcode::READ_DATA, &data)
}

/// Writes words of a bank.
pub fn write_data(
    time_out_ms: u16,
    password: Option<u32>,
    bank: Bank,
    address: u32,
    words: &[u8],
) -> Vec<u8> {
    let mut data = operation(time_out_ms, password);
    data.extend(address.to_be_bytes());
    data.push(bank as u8);
    data.extend(password.iter().flat_map(|password| password.to_be_bytes()));
    data.extend_from_slice(words);
    command(opcode::WRITE_DATA, &data)
}

/// Writes the id.
pub fn write_id(time_out_ms: u16, password: Option<u32>, id: &[u8]) -> Vec<u8> {
    let mut data = operation(time_out_ms, password);
    data.extend(password.iter().flat_map(|password| password.to_be_bytes()));
    data.extend_from_slice(id);
    command(opcode::WRITE_ID, &data)
}

/// Locks fields.
pub fn lock(time_out_ms: u16, password: u32, lock: Gen2Lock) -> Vec<u8> {
    let mut data = operation(time_out_ms, None);
    data.extend(password.to_be_bytes());
    data.extend(lock.mask().to_be_bytes());
    data.extend(lock.action().to_be_bytes());
    command(opcode::LOCK, &data)
}

/// Silences the tag for ever.
pub fn kill(time_out_ms: u16, password: u32) -> Vec<u8> {
    let mut data = operation(time_out_ms, None);
    data.extend(password.to_be_bytes());
    data.push(0x00);
    command(opcode::KILL, &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_the_document() {
        for (frame, printed) in [
            (plain(opcode::VERSION), "FF 00 03 1D 0C"),
            (set_region(0x0D), "FF 01 97 0D 4B B0"),
            (set_protocol(0x05), "FF 02 93 00 05 51 7D"),
            (one_antenna(1), "FF 02 91 01 01 70 3B"),
            (set_read_power(2000), "FF 02 92 07 D0 46 89"),
            (read_filter_off(), "FF 03 9A 01 0C 00 A3 5D"),
            (stop_reading(), "FF 03 2F 00 00 02 5E 86"),
            (search(500), "FF 05 22 00 00 13 01 F4 2B 19"),
            (plain(opcode::CLEAR_TAGS), "FF 00 2A 1D 25"),
            (
                start_reading(&[0x05], 1000, Metadata(0x01FF)),
                "FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 01 FF DD 2B",
            ),
            (
                start_reading(&[0x05], 250, Metadata(0x0FFF)),
                "FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 00 FA 0F FF B4 0B",
            ),
        ] {
            let hex: Vec<String> = frame.iter().map(|byte| format!("{byte:02X}")).collect();
            assert_eq!(hex.join(" "), printed);
        }
    }
}
