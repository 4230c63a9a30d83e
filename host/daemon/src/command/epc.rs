//! `rfid-host epc`.

use std::io::BufRead;

use rfid_core::epc::{Epc, EpcFault, ProtocolControl, RawEpc};
use rfid_core::{TagId, TagIdKind};
use serde_json::{Value, json};

use crate::cli::EpcWay;

const RAW: &str = "urn:epc:raw:";

pub(crate) fn run(way: EpcWay, as_json: bool) -> anyhow::Result<()> {
    match way {
        EpcWay::Decode { epcs } => each(epcs, |digits| {
            let id = TagId::from_hex(TagIdKind::Epc, digits.strip_prefix("0x").unwrap_or(digits))?;
            print(&decoded(id.bytes()), as_json);
            Ok(())
        }),
        EpcWay::Encode { texts, filter } => each(texts, |text| {
            print(&encoded(text, filter)?, as_json);
            Ok(())
        }),
    }
}

/// Does something for each argument, or for each line of standard input if there is none. All of
/// them are tried; what is wrong with one is said on standard error.
fn each(arguments: Vec<String>, mut act: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut wrong = 0;
    let mut try_one = |text: &str| {
        if let Err(error) = act(text) {
            eprintln!("{text}: {error}");
            wrong += 1;
        }
    };
    if arguments.is_empty() {
        for line in std::io::stdin().lock().lines() {
            try_one(line?.trim());
        }
    } else {
        arguments.iter().for_each(|text| try_one(text));
    }
    anyhow::ensure!(wrong == 0, "{} not done", super::counted(wrong, "line"));
    Ok(())
}

/// What is said of bits, as names and values in the order of printing.
fn decoded(bytes: &[u8]) -> Value {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    match Epc::decode(bytes) {
        Ok(epc) => with_digits(&hex, &epc),
        Err(fault) => json!({
            "epc_hex": hex,
            "raw_uri": RawEpc::of(bytes).to_string(),
            "reason": fault.to_string(),
        }),
    }
}

fn with_digits(hex: &str, epc: &Epc) -> Value {
    let scheme = epc.scheme();
    let parts: serde_json::Map<String, Value> =
        epc.named_parts().map(|(name, part)| (name.replace(' ', "_"), part.into())).collect();
    let mut said = json!({
        "epc_hex": hex,
        "scheme": scheme.name(),
        "tag_uri": epc.tag_uri(),
        "identity_uri": epc.identity_uri(),
        "element_string": epc.element_string(),
        "digital_link": epc.digital_link(),
        "filter": scheme.highest_filter().map(|_| epc.filter()),
        "filter_meaning": scheme.filter_meaning(epc.filter()),
        "parts": parts,
        "more_data_follow": epc.has_more_data().then_some(true),
    });
    if let Value::Object(said) = &mut said {
        said.retain(|_, value| !value.is_null());
    }
    said
}

fn encoded(text: &str, filter: u8) -> anyhow::Result<Value> {
    if text.starts_with(RAW) {
        let raw = RawEpc::parse(text)?;
        return Ok(with_pc(decoded(raw.bytes()), raw.bytes().len() * 8));
    }
    let epc = parse(text, filter)?;
    Ok(with_pc(with_digits(&format!("{:X}", epc.bits()), &epc), epc.bits().len()))
}

/// The bytes for a tag, from hexadecimal digits or whatever `epc encode` takes.
pub(super) fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    if text.starts_with(RAW) {
        return Ok(RawEpc::parse(text)?.bytes().to_vec());
    }
    match TagId::from_hex(TagIdKind::Epc, text) {
        Ok(id) => Ok(id.bytes().to_vec()),
        Err(_) if text.contains([':', '(']) => Ok(parse(text, 0)?.bits().bytes().to_vec()),
        Err(fault) => Err(fault.into()),
    }
}

fn parse(text: &str, filter: u8) -> Result<Epc, EpcFault> {
    match text {
        tag if tag.starts_with("urn:epc:tag:") => Epc::from_tag_uri(tag),
        identity if identity.starts_with("urn:epc:id:") => Epc::from_identity_uri(identity, filter),
        key => Epc::from_key(key, filter),
    }
}

/// Adds the PC word that announces so many bits.
fn with_pc(mut said: Value, bits: usize) -> Value {
    if let (Value::Object(said), Some(pc)) = (&mut said, ProtocolControl::for_epc_bits(bits)) {
        said.insert("pc_hex".to_owned(), format!("{:04X}", pc.0).into());
        said.insert("bits".to_owned(), bits.into());
    }
    said
}

fn print(said: &Value, as_json: bool) {
    if as_json {
        println!("{said}");
        return;
    }
    print_values(said);
    println!();
}

fn print_values(said: &Value) {
    for (name, value) in said.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => print_values(value),
            Value::String(text) => println!("{:18}{text}", name.replace('_', " ")),
            other => println!("{:18}{other}", name.replace('_', " ")),
        }
    }
}
