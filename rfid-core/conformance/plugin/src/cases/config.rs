//! Options that are wrong.

use rfid_abi::Status;
use serde_json::{Value, json};

use super::{SHORT, on_component};
use crate::bench::{Bench, CLOSING};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip};
use crate::wrong_options::{self, Wrong, replaced};

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Config, AppliesTo::Component, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "config/missing-keys",
        |bench| refused(bench, wrong_options::missing_keys),
        "Options without a key that must be there are refused with CONFIG and a message.",
        "Check that the key is there, also if the schema says so.",
    ),
    case(
        "config/unknown-keys",
        |bench| refused(bench, wrong_options::unknown_keys),
        "Options with a key that nobody knows are refused with CONFIG and a message.",
        "Refuse keys that are not in the schema: a misspelt one is found so.",
    ),
    case(
        "config/wrong-types",
        |bench| refused(bench, wrong_options::wrong_types),
        "A value of a type that the schema does not allow is refused with CONFIG and a message.",
        "Look at the type before the value.",
    ),
    case(
        "config/bounds",
        |bench| refused(bench, wrong_options::out_of_bounds),
        "A value just outside of its bounds is refused with CONFIG and a message.",
        "Compare with the bounds of the schema in `create`.",
    ),
    case(
        "config/garbage",
        garbage,
        "What is no JSON at all, or a lot of it, is refused.",
        "Parse with bounds; look at `len`, since the text has no end mark.",
    ),
    case(
        "config/secrets",
        secrets,
        "What a key marked writeOnly holds is neither logged nor part of an error.",
        "Log and report options by name, and never a text that contains them.",
    ),
];

fn refused(bench: &Bench, make: fn(&Value, &Value) -> Vec<Wrong>) -> Verdict {
    let (schema, good) = (bench.schema()?, bench.options()?);
    let all = make(&schema, &good);
    if all.is_empty() {
        return skip("there is no key for which this can be tried");
    }
    // What is refused as it should be says nothing if all is refused.
    bench.create_with(&good)?;
    for (what, options) in &all {
        let (instance, answer) = bench.try_create(options.to_string().as_bytes());
        if instance.is_some() {
            return fail(format!("options {what} are taken"));
        }
        let answer = answer.refused(Status::CONFIG, &format!("options {what}"))?;
        if answer.message.trim().is_empty() {
            return fail(format!("options {what} are refused without a message"));
        }
    }
    Ok(Some(format!("{} wrong options", all.len())))
}

fn garbage(bench: &Bench) -> Verdict {
    let megabyte = 1 << 20;
    let mut seed = 0x2545_F491_4F6C_DD17_u64;
    let random: Vec<u8> = (0..4_096)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u8
        })
        .collect();
    let good = bench.options()?.to_string();
    let half = good.as_bytes().get(..good.len() / 2).unwrap_or_default().to_vec();
    let all: [(&str, Vec<u8>); 9] = [
        ("nothing", Vec::new()),
        ("random bytes", random),
        ("half of the good options", half),
        ("a zero byte", vec![0]),
        ("a text that is not UTF-8", b"{\"no_such_key\":\"\xff\xfe\"}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a number", b"1e999".to_vec()),
        ("a text of 1 MiB", json!({ "no_such_key": "x".repeat(megabyte) }).to_string().into_bytes()),
        ("a list of 1 MiB", json!({ "no_such_key": vec![7; megabyte / 2] }).to_string().into_bytes()),
    ];
    for (what, config) in all {
        let (instance, answer) = bench.try_create(&config);
        if config.is_empty() && answer.status.is_ok() {
            // No text at all may count as no options.
            continue;
        }
        if instance.is_some() {
            return fail(format!("{what} as options is taken"));
        }
        if !matches!(answer.status, Status::CONFIG | Status::INVALID) {
            return fail(format!("{what} as options: {answer}; it must say CONFIG or INVALID"));
        }
    }
    Ok(None)
}

/// Nothing else contains this.
const MARKER: &str = "s3cret-m4rker-7391";

fn secrets(bench: &Bench) -> Verdict {
    let (schema, good) = (bench.schema()?, bench.options()?);
    let pointers = wrong_options::secrets(&schema, &good);
    if pointers.is_empty() {
        return skip("no key is marked writeOnly");
    }
    for pointer in &pointers {
        let options = replaced(&good, pointer, json!(MARKER));
        // What is wrong elsewhere makes for messages, some of them with the options in them.
        let mut wrong = wrong_options::unknown_keys(&schema, &options);
        wrong.extend(wrong_options::wrong_types(&schema, &options));
        wrong.push((String::new(), options.clone()));
        wrong.push((String::new(), replaced(&good, pointer, json!([MARKER]))));
        wrong.push((String::new(), replaced(&good, pointer, json!({ MARKER: 1 }))));
        for (_, options) in wrong {
            let host = bench.host(&[]);
            let text = options.to_string();
            let (instance, answer) =
                crate::instance::Instance::create(*bench.component(), host, text.as_bytes());
            let mut said = vec![answer.message];
            if let Some(instance) = instance {
                said.push(instance.open(std::time::Duration::from_secs(2)).message);
                said.push(instance.close(CLOSING).message);
            }
            said.append(&mut host.heard().lines);
            if let Some(line) = said.iter().find(|line| line.contains(MARKER)) {
                let line = line.replace(MARKER, "***");
                return Err(Stop::Failed(format!("what stands at {pointer} was told: {line}")));
            }
        }
    }
    Ok(None)
}
