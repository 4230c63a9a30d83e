//! Statements that read, write, lock and kill one tag (§2.1, §3.2).

use std::fmt::Write;

use rfid_core::AirProtocol;
use rfid_core::abilities::{Bank, Gen2Lock, TagTarget};

use super::air::RqlProtocol;

/// Units that one read asks for at most: what the vendor's clients ask for (§3.2).
pub const MOST_UNITS: u16 = 8;

/// Bits of a lock that belong to the table `tag_data`; the others belong to `tag_id` (§2.1).
const USER_BITS: u16 = 0x003;

/// `protocol_id='GEN2' AND antenna_id=1 AND id=0x… AND password=0x…`.
fn condition(protocol: RqlProtocol, tag: &TagTarget, with_id: bool) -> String {
    let mut text = format!("protocol_id='{}' AND antenna_id={}", protocol.name, tag.antenna_port);
    // Writing to a string does not fail.
    if with_id {
        let _ = write!(text, " AND id=0x{}", tag.id.hex());
    }
    if let (Some(password), AirProtocol::Gen2) = (tag.password, tag.protocol) {
        let _ = write!(text, " AND password=0x{password:08X}");
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}

/// Reads memory; the bank is named for Gen2 only.
pub fn read_data(protocol: RqlProtocol, tag: &TagTarget, bank: Bank, address: u32, count: u16) -> String {
    let bank = bank_condition(protocol, bank);
    format!(
        "SELECT data FROM tag_data WHERE {bank}block_count={count} AND block_number={address} AND {}",
        condition(protocol, tag, true)
    )
}

/// Writes memory.
pub fn write_data(protocol: RqlProtocol, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> String {
    let bank = bank_condition(protocol, bank);
    format!(
        "UPDATE tag_data SET data={} WHERE {bank}block_number={address} AND {}",
        hex(data),
        condition(protocol, tag, true)
    )
}

fn bank_condition(protocol: RqlProtocol, bank: Bank) -> String {
    match protocol.air {
        AirProtocol::Gen2 => format!("mem_bank={} AND ", bank as u8),
        _ => String::new(),
    }
}

/// Gives the tag another id. That of EPC Class 1 cannot name the tag (§2.1, 2005 form).
pub fn write_id(protocol: RqlProtocol, tag: &TagTarget, id: &[u8]) -> String {
    let names_the_tag = protocol.air == AirProtocol::Gen2;
    format!("UPDATE tag_id SET id={} WHERE {}", hex(id), condition(protocol, tag, names_the_tag))
}

/// Locks fields of a Gen2 tag: one statement for each of the two tables that it touches.
pub fn lock_gen2(protocol: RqlProtocol, tag: &TagTarget, lock: Gen2Lock) -> Vec<String> {
    [("tag_id", !USER_BITS), ("tag_data", USER_BITS)]
        .into_iter()
        .filter(|(_, bits)| lock.mask() & bits != 0)
        .map(|(table, bits)| {
            let (mask, action) = (lock.mask() & bits, lock.action() & lock.mask() & bits);
            format!(
                "UPDATE {table} SET locked={action} WHERE type={mask} AND {}",
                condition(protocol, tag, true)
            )
        })
        .collect()
}

/// Locks one byte of an ISO 18000-6B tag. The vendor's clients disagree on the table (§2.1).
pub fn lock_byte(protocol: RqlProtocol, tag: &TagTarget, address: u32) -> String {
    format!(
        "UPDATE tag_data SET locked=1 WHERE block_number={address} AND {}",
        condition(protocol, tag, true)
    )
}

/// Locks an EPC Class 1 tag (2005 form).
pub fn lock_class_1(protocol: RqlProtocol, tag: &TagTarget) -> String {
    format!("UPDATE tag_id SET locked=1, id=0x{} WHERE {}", tag.id.hex(), condition(protocol, tag, false))
}

/// Sets the password of an EPC Class 1 tag (2005 form).
pub fn set_class_1_password(protocol: RqlProtocol, tag: &TagTarget, password: u8) -> String {
    format!(
        "UPDATE tag_id SET password=0x{password:02X}, id=0x{} WHERE {}",
        tag.id.hex(),
        condition(protocol, tag, false)
    )
}

/// Kills a tag.
pub fn kill(protocol: RqlProtocol, tag: &TagTarget, password: u32) -> String {
    match protocol.air {
        AirProtocol::Epc1 => format!(
            "UPDATE tag_id SET killed=1, password=0x{password:02X}, id=0x{} WHERE {}",
            tag.id.hex(),
            condition(protocol, tag, false)
        ),
        _ => format!(
            "UPDATE tag_id SET killed=1 WHERE id=0x{} AND password=0x{password:08X} AND {}",
            tag.id.hex(),
            condition(protocol, &TagTarget { password: None, ..*tag }, false)
        ),
    }
}

/// All tags before the antenna, to see what became of one.
pub fn look(protocol: RqlProtocol, tag: &TagTarget) -> String {
    let condition = condition(protocol, &TagTarget { password: None, ..*tag }, false);
    format!("SELECT protocol_id,antenna_id,id FROM tag_id WHERE {condition} SET time_out={LOOK_MS}")
}

/// How long [`look`] listens.
pub const LOOK_MS: u16 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::abilities::{LockField, LockState};
    use rfid_core::{TagId, TagIdKind};

    fn target(protocol: AirProtocol, id: &str) -> (RqlProtocol, TagTarget) {
        let id = TagId::from_hex(TagIdKind::Epc, id).unwrap();
        let tag = TagTarget { antenna_port: 1, protocol, id, password: None };
        (RqlProtocol::of(protocol).unwrap(), tag)
    }

    #[test]
    fn statements_are_those_of_the_vendors_clients() {
        let (gen2, tag) = target(AirProtocol::Gen2, "300000000000000000000001");
        assert_eq!(
            write_id(gen2, &tag, &[0x11; 12]),
            "UPDATE tag_id SET id=0x111111111111111111111111 WHERE protocol_id='GEN2' AND antenna_id=1 \
             AND id=0x300000000000000000000001"
        );
        assert_eq!(
            read_data(gen2, &tag, Bank::Tid, 0, 2),
            "SELECT data FROM tag_data WHERE mem_bank=2 AND block_count=2 AND block_number=0 AND \
             protocol_id='GEN2' AND antenna_id=1 AND id=0x300000000000000000000001"
        );
        assert_eq!(
            lock_gen2(gen2, &tag, Gen2Lock::default().with(LockField::Epc, LockState::Password)),
            ["UPDATE tag_id SET locked=32 WHERE type=48 AND protocol_id='GEN2' AND antenna_id=1 AND \
              id=0x300000000000000000000001"]
        );
        assert_eq!(
            kill(gen2, &tag, 0x2222_2222),
            "UPDATE tag_id SET killed=1 WHERE id=0x300000000000000000000001 AND password=0x22222222 AND \
             protocol_id='GEN2' AND antenna_id=1"
        );
    }

    #[test]
    fn a_lock_of_both_tables_is_two_statements() {
        let (gen2, mut tag) = target(AirProtocol::Gen2, "3000");
        tag.password = Some(0x1234);
        let lock = Gen2Lock::default()
            .with(LockField::Epc, LockState::Open)
            .with(LockField::User, LockState::Password);
        assert_eq!(
            lock_gen2(gen2, &tag, lock),
            [
                "UPDATE tag_id SET locked=0 WHERE type=48 AND protocol_id='GEN2' AND antenna_id=1 AND \
                 id=0x3000 AND password=0x00001234",
                "UPDATE tag_data SET locked=2 WHERE type=3 AND protocol_id='GEN2' AND antenna_id=1 AND \
                 id=0x3000 AND password=0x00001234",
            ]
        );
    }

    #[test]
    fn class_1_is_spoken_to_as_the_manual_of_2005_says() {
        let (epc1, tag) = target(AirProtocol::Epc1, "1234567890ABCDEF");
        assert_eq!(
            kill(epc1, &tag, 0x88),
            "UPDATE tag_id SET killed=1, password=0x88, id=0x1234567890ABCDEF WHERE protocol_id='EPC1' \
             AND antenna_id=1"
        );
        assert_eq!(
            lock_class_1(epc1, &tag),
            "UPDATE tag_id SET locked=1, id=0x1234567890ABCDEF WHERE protocol_id='EPC1' AND antenna_id=1"
        );
    }
}
