//! GS1 keys: check digits, element strings and Digital Links.

use std::fmt::Write;

use super::fault::{EpcFault, Wrong};
use super::scheme::{Check, Scheme};
use super::{Epc, Result};

/// The mod-10 check digit of decimal digits (GS1 General Specifications §7.9.1); `None` if
/// something else is among them.
pub fn check_digit(digits: &str) -> Option<char> {
    let mut sum = 0;
    for (place, character) in digits.chars().rev().enumerate() {
        let weight = if place % 2 == 0 { 3 } else { 1 };
        sum += character.to_digit(10)? * weight;
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// Whether the check digit of a key fits.
pub(super) fn verify(digits: &str, check: Check) -> std::result::Result<(), Wrong> {
    let key = match check {
        Check::LastBehindZero if !digits.starts_with('0') => return Err(Wrong::NotZero),
        Check::Last | Check::LastBehindZero => digits,
        Check::Fourteenth => digits.get(..14).unwrap_or(digits),
    };
    let (data, digit) = key.split_at_checked(key.len().saturating_sub(1)).unwrap_or((key, ""));
    if digit.chars().next() == check_digit(data) { Ok(()) } else { Err(Wrong::CheckDigit) }
}

fn with_check_digit(mut digits: String) -> String {
    digits.extend(check_digit(&digits));
    digits
}

/// An application identifier and its value.
type Element = (&'static str, String);

impl Epc {
    /// The key as application identifiers and values, the date of a DSGTIN+ last. `None` for
    /// GID, USDoD and ADI, which are not keys of GS1.
    pub fn elements(&self) -> Option<Vec<Element>> {
        let part = |at: usize| self.parts().get(at).map_or("", String::as_str);
        // The first digit of the reference stands in front of the whole key.
        let digit_first = |prefix: &str, reference: &str| {
            let (first, rest) = reference.split_at_checked(1).unwrap_or((reference, ""));
            with_check_digit(format!("{first}{prefix}{rest}"))
        };
        let (prefix, reference) = (part(0), part(1));
        let in_order = || with_check_digit(format!("{prefix}{reference}"));
        let extension = |text: &str| (text != "0").then(|| ("254", text.to_owned()));
        let elements = match self.scheme().without_host() {
            Scheme::Sgtin96 | Scheme::Sgtin198 => {
                vec![("01", digit_first(prefix, reference)), ("21", part(2).to_owned())]
            }
            Scheme::Sscc96 => vec![("00", digit_first(prefix, reference))],
            Scheme::Sgln96 | Scheme::Sgln195 => {
                [("414", in_order())].into_iter().chain(extension(part(2))).collect()
            }
            Scheme::Grai96 | Scheme::Grai170 => vec![("8003", format!("0{}{}", in_order(), part(2)))],
            Scheme::Giai96 | Scheme::Giai202 => vec![("8004", format!("{prefix}{reference}"))],
            Scheme::Gsrn96 => vec![("8018", in_order())],
            Scheme::Gsrnp96 => vec![("8017", in_order())],
            Scheme::Gdti96 | Scheme::Gdti174 => vec![("253", format!("{}{}", in_order(), part(2)))],
            Scheme::Cpi96 | Scheme::CpiVar => {
                vec![("8010", format!("{prefix}{reference}")), ("8011", part(2).to_owned())]
            }
            Scheme::Sgcn96 => vec![("255", format!("{}{}", in_order(), part(2)))],
            Scheme::Itip110 | Scheme::Itip212 => vec![
                ("8006", format!("{}{}{}", digit_first(prefix, reference), part(2), part(3))),
                ("21", part(4).to_owned()),
            ],
            Scheme::Gid96 | Scheme::Usdod96 | Scheme::AdiVar => return None,
            Scheme::SgtinPlus => vec![("01", part(0).to_owned()), ("21", part(1).to_owned())],
            Scheme::DsgtinPlus => {
                let date = DATED.iter().find(|identifier| **identifier == part(0))?;
                vec![("01", part(2).to_owned()), ("21", part(3).to_owned()), (date, part(1).to_owned())]
            }
            Scheme::SsccPlus => vec![("00", part(0).to_owned())],
            Scheme::SglnPlus => [("414", part(0).to_owned())].into_iter().chain(extension(part(1))).collect(),
            Scheme::GraiPlus => vec![("8003", format!("{}{}", part(0), part(1)))],
            Scheme::GiaiPlus => vec![("8004", part(0).to_owned())],
            Scheme::GsrnPlus => vec![("8018", part(0).to_owned())],
            Scheme::GsrnpPlus => vec![("8017", part(0).to_owned())],
            Scheme::GdtiPlus => vec![("253", format!("{}{}", part(0), part(1)))],
            Scheme::CpiPlus => vec![("8010", part(0).to_owned()), ("8011", part(1).to_owned())],
            Scheme::SgcnPlus => vec![("255", format!("{}{}", part(0), part(1)))],
            Scheme::ItipPlus => vec![("8006", part(0).to_owned()), ("21", part(1).to_owned())],
            // No scheme is left: these are what `without_host` leads away from.
            _ => return None,
        };
        Some(elements)
    }

    /// The element string, `(8018)952114112345678906`.
    pub fn element_string(&self) -> Option<String> {
        Some(self.elements()?.iter().map(|(identifier, value)| format!("({identifier}){value}")).collect())
    }

    /// The GS1 Digital Link, `https://id.gs1.org/8018/952114112345678906`; at the EPC's own host if
    /// it names one.
    pub fn digital_link(&self) -> Option<String> {
        let has_host = self.scheme().without_host() != self.scheme();
        let host = self.parts().last().filter(|_| has_host).map_or(GS1_HOST, String::as_str);
        let mut link = format!("https://{host}");
        for (identifier, value) in self.elements()? {
            let before = if DATED.contains(&identifier) { "?" } else { "/" };
            let between = if before == "?" { "=" } else { "/" };
            // Writing to a string does not fail.
            let _ = write!(link, "{before}{identifier}{between}{}", percent_encoded(&value));
        }
        Some(link)
    }

    /// An EPC of a plus scheme from an element string or a Digital Link. These schemes do not
    /// need to know how long the company prefix is. A link to another host than that of GS1 gives a
    /// "++" scheme, which carries the host.
    ///
    /// # Errors
    /// What is wrong with the text or with the key.
    pub fn from_key(text: &str, filter: u8) -> Result<Self> {
        let (host, elements) =
            if text.starts_with('(') { (GS1_HOST, parse_elements(text)?) } else { parse_link(text)? };
        let of = |wanted: &str| {
            elements.iter().find(|(identifier, _)| identifier == wanted).map(|(_, value)| value.as_str())
        };
        let first = elements.first().map_or("", |(identifier, _)| identifier.as_str());
        let date = DATED.iter().find_map(|identifier| Some((*identifier, of(identifier)?)));
        let cut = |value: &str, at: usize| -> [String; 2] {
            let (key, serial) = value.split_at_checked(at).unwrap_or((value, ""));
            [key.to_owned(), serial.to_owned()]
        };
        let value = of(first).unwrap_or_default();
        let serial = |identifier: &str| of(identifier).unwrap_or_default().to_owned();
        let (scheme, mut parts) = match (first, date) {
            ("01", Some((identifier, date))) => {
                (Scheme::DsgtinPlus, vec![identifier.into(), date.into(), value.into(), serial("21")])
            }
            ("01", None) => (Scheme::SgtinPlus, vec![value.into(), serial("21")]),
            ("00", _) => (Scheme::SsccPlus, vec![value.into()]),
            ("414", _) => (Scheme::SglnPlus, vec![value.into(), of("254").unwrap_or("0").into()]),
            ("8003", _) => (Scheme::GraiPlus, cut(value, 14).to_vec()),
            ("8004", _) => (Scheme::GiaiPlus, vec![value.into()]),
            ("8018", _) => (Scheme::GsrnPlus, vec![value.into()]),
            ("8017", _) => (Scheme::GsrnpPlus, vec![value.into()]),
            ("253", _) => (Scheme::GdtiPlus, cut(value, 13).to_vec()),
            ("8010", _) => (Scheme::CpiPlus, vec![value.into(), serial("8011")]),
            ("255", _) => (Scheme::SgcnPlus, cut(value, 13).to_vec()),
            ("8006", _) => (Scheme::ItipPlus, vec![value.into(), serial("21")]),
            _ => return Err(EpcFault::Syntax("a key of GS1 that a tag can carry")),
        };
        let scheme = match scheme.with_host().filter(|_| host != GS1_HOST) {
            Some(with_host) => {
                parts.push(host.to_owned());
                with_host
            }
            None => scheme,
        };
        let epc = Self::new(scheme, filter, parts)?;
        let used = epc.elements().map_or(0, |elements| elements.len());
        if used < elements.len() {
            return Err(EpcFault::Syntax("a key without further elements, which no EPC can carry"));
        }
        Ok(epc)
    }
}

/// The host of Digital Links that name none of their own.
const GS1_HOST: &str = "id.gs1.org";

/// Application identifiers of the dates that a DSGTIN+ carries.
const DATED: [&str; 7] = ["11", "13", "15", "16", "17", "7006", "7007"];

fn parse_elements(text: &str) -> Result<Vec<(String, String)>> {
    const SYNTAX: EpcFault = EpcFault::Syntax("an element string, as in (8018)952114112345678906");
    // A value may hold brackets, so a new element begins where one with digits only stands.
    let mut elements: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match identifier_in_front(rest) {
            Some((identifier, behind)) => {
                elements.push((identifier.to_owned(), String::new()));
                rest = behind;
            }
            None => {
                let mut characters = rest.chars();
                let (_, value) = elements.last_mut().ok_or(SYNTAX)?;
                value.extend(characters.next());
                rest = characters.as_str();
            }
        }
    }
    Ok(elements)
}

fn identifier_in_front(text: &str) -> Option<(&str, &str)> {
    let (identifier, behind) = text.strip_prefix('(')?.split_once(')')?;
    let is_one = (2..=4).contains(&identifier.len()) && identifier.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then_some((identifier, behind))
}

/// The host and the elements behind it.
fn parse_link(text: &str) -> Result<(&str, Vec<(String, String)>)> {
    const SYNTAX: EpcFault =
        EpcFault::Syntax("a GS1 Digital Link, as in https://id.gs1.org/8018/952114112345678906");
    let (_, behind) = text.split_once("://").ok_or(SYNTAX)?;
    let (host, path) = behind.split_once('/').ok_or(SYNTAX)?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pieces: Vec<&str> = path.split('/').collect();
    let (pairs, []) = pieces.as_chunks::<2>() else { return Err(SYNTAX) };
    let in_path = pairs.iter().map(|[identifier, value]| Some((*identifier, *value)));
    let in_query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('='));
    let elements = in_path.chain(in_query).map(|pair| {
        let (identifier, value) = pair.ok_or(SYNTAX)?;
        Ok((identifier.to_owned(), percent_decoded(value).ok_or(SYNTAX)?))
    });
    Ok((host, elements.collect::<Result<_>>()?))
}

/// Everything but the unreserved characters of RFC 3986 §2.3 as `%XX`.
fn percent_encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? << 4 | digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
