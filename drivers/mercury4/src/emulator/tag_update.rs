//! Statements about one tag: reading and writing its memory, locking, killing (§2.1, §3.2).

use rfid_core::AirProtocol;

use super::query::write_id;
use super::statement::{Condition, Operator, Refusal, Select, Update, Value};
use crate::proto::RqlProtocol;
use rfid_emulated_field::{NotDone, TagMemory};

/// What a statement asks of one tag, and which tag.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) protocol: AirProtocol,
    pub(super) antenna: u64,
    /// Digits of the id that the statement names.
    pub(super) id: Option<String>,
    operation: Operation,
}

#[derive(Clone, Debug)]
enum Operation {
    Read { bank: u64, address: u64, count: u64, password: Option<u32> },
    Write { bank: u64, address: u64, data: Vec<u8>, password: Option<u32> },
    WriteId { id: Vec<u8>, password: Option<u32> },
    SetPassword(u32),
    Lock { mask: u16, action: u16, password: Option<u32> },
    LockWhole,
    LockByte(u64),
    Kill(u32),
}

impl Request {
    /// What a `SELECT data FROM tag_data` asks.
    pub(super) fn read(select: &Select) -> Result<Self, Refusal> {
        let [column] = select.columns.as_slice() else { return Err(refusal("Invalid argument")) };
        if column != "data" {
            return Err(refusal(format!("Unknown {column}")));
        }
        let named = Named::new(select.condition.as_ref())?;
        let operation = Operation::Read {
            bank: named.number("mem_bank").unwrap_or(0),
            address: named.number("block_number").unwrap_or(0),
            count: named.number("block_count").unwrap_or(1),
            password: named.password(),
        };
        Ok(Self { operation, ..named.request(None)? })
    }

    /// What an UPDATE of a tag table asks.
    pub(super) fn update(update: &Update) -> Result<Self, Refusal> {
        let named = Named::new(update.condition.as_ref())?;
        let is_id_table = update.table == "tag_id";
        let item =
            |name: &str| update.items.iter().find(|(column, _)| column == name).map(|(_, value)| value);
        let known: &[&str] =
            if is_id_table { &["id", "locked", "killed", "password"] } else { &["data", "locked"] };
        if update.items.iter().any(|(column, _)| !known.contains(&column.as_str())) {
            return Err(refusal("Unknown field"));
        }
        // Old firmware takes the password and the target among the items (§2.1).
        let password_item =
            item("password").and_then(Value::number).and_then(|number| u32::try_from(number).ok());
        let password = named.password().or(password_item);
        let operation = if let Some(killed) = item("killed") {
            if killed.number() != Some(1) {
                return Err(refusal("Invalid argument"));
            }
            Operation::Kill(password.unwrap_or(0))
        } else if let Some(locked) = item("locked") {
            let action = locked.number().ok_or_else(|| refusal("Invalid argument"))?;
            match (named.protocol()?, named.number("type"), named.number("block_number")) {
                (AirProtocol::Gen2, Some(mask), _) => {
                    Operation::Lock { mask: low_bits(mask), action: low_bits(action), password }
                }
                (AirProtocol::Iso18000_6b, _, Some(address)) => Operation::LockByte(address),
                _ => Operation::LockWhole,
            }
        } else if let Some(data) = item("data") {
            Operation::Write {
                bank: named.number("mem_bank").unwrap_or(0),
                address: named.number("block_number").unwrap_or(0),
                data: bytes(data)?,
                password,
            }
        } else if let Some(password) = password_item {
            Operation::SetPassword(password)
        } else {
            Operation::WriteId { id: item("id").map(bytes).transpose()?.unwrap_or_default(), password }
        };
        let is_write = matches!(operation, Operation::WriteId { .. });
        let target = item("id").filter(|_| !is_write);
        Ok(Self { operation, ..named.request(target)? })
    }

    /// Does it to a tag. A read gives what was read.
    pub(super) fn carry_out(&self, tag: &mut TagMemory) -> Result<Option<Vec<u8>>, NotDone> {
        match &self.operation {
            Operation::Read { bank, address, count, password } => {
                return tag.read(*bank, *address, *count, *password).map(Some);
            }
            Operation::Write { bank, address, data, password } => tag.write(*bank, *address, data, *password),
            Operation::WriteId { id, password } => tag.write_id(id, *password),
            Operation::SetPassword(password) => tag.set_password(*password),
            Operation::Lock { mask, action, password } => tag.lock(*mask, *action, *password),
            Operation::LockWhole => tag.lock_whole(),
            Operation::LockByte(address) => tag.lock_byte(*address),
            Operation::Kill(password) => tag.kill(*password),
        }?;
        Ok(None)
    }

    /// Whether the tag is dead when this is done.
    fn kills(&self) -> bool {
        matches!(self.operation, Operation::Kill(_))
    }
}

/// The row that an old reader answers a successful UPDATE with: one field for each item, empty for
/// those that can only be written, and the tag's id for `id` (§2.1).
///
/// What it answers for `data` is not documented; the field is left empty.
pub(super) fn write_row(update: &Update, request: &Request, id: &[u8], out: &mut Vec<u8>) {
    for (index, (column, _)) in update.items.iter().enumerate() {
        if index > 0 {
            out.push(b'|');
        }
        match (column == "id", request.kills()) {
            (true, false) => write_id(request.protocol, id, out),
            // A dead tag has an id of zeros, check code included.
            (true, true) => {
                out.extend_from_slice(b"0x");
                out.extend(std::iter::repeat_n(b'0', 2 * id.len() + 4));
            }
            (false, _) => {}
        }
    }
    out.push(b'\n');
}

/// What a condition names by `=`.
struct Named<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Named<'a> {
    /// Collects the comparisons. Exactly one protocol and one antenna must be named (§2.1).
    fn new(condition: Option<&'a Condition>) -> Result<Self, Refusal> {
        let mut named = Vec::new();
        if let Some(condition) = condition {
            collect(condition, &mut named);
        }
        let count = |name: &str| named.iter().filter(|(column, _)| *column == name).count();
        match (count("protocol_id"), count("antenna_id")) {
            (0, _) => Err(refusal("No protocol specified")),
            (2.., _) => Err(refusal("Too many protocols specified")),
            (_, 0) => Err(refusal("No antenna specified")),
            (_, 2..) => Err(refusal("Too many antennas specified")),
            _ => Ok(Self(named)),
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(column, _)| *column == name).map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value(name).and_then(Value::number)
    }

    fn password(&self) -> Option<u32> {
        self.number("password").and_then(|password| u32::try_from(password).ok())
    }

    fn protocol(&self) -> Result<AirProtocol, Refusal> {
        let protocol = match self.value("protocol_id") {
            Some(Value::Text(name)) => RqlProtocol::by_name(name),
            Some(value) => value.number().and_then(|code| RqlProtocol::by_code(u8::try_from(code).ok()?)),
            None => None,
        };
        protocol.map(|protocol| protocol.air).ok_or_else(|| refusal("Unknown protocol"))
    }

    /// A request that says which tag is meant and not yet what is to be done.
    fn request(&self, target: Option<&Value>) -> Result<Request, Refusal> {
        let id = match self.value("id").or(target) {
            Some(Value::Hex(digits)) => Some(digits.clone()),
            Some(_) => return Err(refusal("Invalid argument")),
            None => None,
        };
        Ok(Request {
            protocol: self.protocol()?,
            antenna: self.number("antenna_id").unwrap_or(0),
            id,
            operation: Operation::LockWhole,
        })
    }
}

fn collect<'a>(condition: &'a Condition, named: &mut Vec<(&'a str, &'a Value)>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| collect(part, named));
        }
        Condition::Compare { column, operator: Operator::Equal, value } => named.push((column, value)),
        Condition::Not(_) | Condition::Compare { .. } => {}
    }
}

fn low_bits(number: u64) -> u16 {
    (number & 0x3FF) as u16
}

fn bytes(value: &Value) -> Result<Vec<u8>, Refusal> {
    let Value::Hex(digits) = value else { return Err(refusal("Invalid argument")) };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2))
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect::<Option<_>>()
        .ok_or_else(|| refusal("Invalid argument"))
}

fn refusal(text: impl Into<String>) -> Refusal {
    (100, text.into())
}
