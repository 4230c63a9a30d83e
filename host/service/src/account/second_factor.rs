//! The second factor: six digits that change every half minute (RFC 6238).

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use totp_rs::{Builder, Secret, Totp};

use crate::randomness::{self, Randomness};
use crate::record::Personal;

/// A secret, in base 32.
///
/// # Errors
/// `Io` without random bytes.
pub fn new_secret(randomness: &dyn Randomness) -> Result<Personal<String>> {
    let bytes: [u8; 20] = randomness::bytes(randomness)?;
    Ok(Personal::new(Secret::from(bytes.to_vec()).to_base32().to_string()))
}

/// What an authenticator takes in, as text or as a QR code.
pub fn address(secret: &Personal<String>, host: &str, staff_number: &str) -> Personal<String> {
    let plain = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let (host, number) = (plain(host), plain(staff_number));
    Personal::new(format!("otpauth://totp/{host}:{number}?secret={}&issuer={host}", secret.reveal()))
}

/// The step of these digits, if they are right now and later than the last step that was used.
///
/// # Errors
/// `Damaged` when the secret cannot be read.
pub fn step(secret: &Personal<String>, digits: &str, now: UtcTime, last: u64) -> Result<Option<u64>> {
    let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
    Ok(totp(secret)?.check(&digits, seconds(now)).filter(|step| *step > last))
}

/// The digits of now, as an authenticator shows them.
///
/// # Errors
/// `Damaged` when the secret cannot be read.
pub fn digits(secret: &Personal<String>, now: UtcTime) -> Result<String> {
    Ok(totp(secret)?.generate(seconds(now)).to_string())
}

fn totp(secret: &Personal<String>) -> Result<Totp> {
    let damaged = || Error::new(ErrorKind::Damaged, "second factor").with_detail("its secret cannot be read");
    let secret = Secret::try_from_base32(secret.reveal()).map_err(|_| damaged())?;
    Builder::new().with_secret(secret).build().map_err(|_| damaged())
}

fn seconds(now: UtcTime) -> u64 {
    now.as_nanos() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    fn at(seconds: u64) -> UtcTime {
        UtcTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn digits_are_those_of_the_standard() {
        // RFC 6238, appendix B: the secret "12345678901234567890", the last six of eight digits.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into();
        for (time, shown) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(digits(&secret, at(time)).unwrap(), shown);
        }
    }

    #[test]
    fn digits_are_taken_once_and_not_long_after() {
        let secret = new_secret(&SystemRandomness).unwrap();
        let shown = digits(&secret, at(3_000)).unwrap();
        let step_of = |now, last| step(&secret, &shown, at(now), last).unwrap();
        assert_eq!(step_of(3_000, 0), Some(100));
        assert_eq!(step_of(3_029, 99), Some(100));
        assert_eq!(step_of(3_000, 100), None);
        assert_eq!(step_of(3_090, 0), None);
        assert!(step(&secret, &format!("{} {}", &shown[..3], &shown[3..]), at(3_000), 0).unwrap().is_some());
        assert!(step(&secret, "", at(3_000), 0).unwrap().is_none());
    }

    #[test]
    fn an_address_can_be_taken_in() {
        let address = address(&"ABC".into(), "xizhou centre", "S1");
        assert_eq!(address.reveal(), "otpauth://totp/xizhou%20centre:S1?secret=ABC&issuer=xizhou%20centre");
    }
}
