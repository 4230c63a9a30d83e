//! Text in addresses and headers: what is not plain there is written as `%` and two hexadecimal digits.

/// A text as a part of an address, of its path or its query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Text from that form; `None` where a `%` is not followed by two digits, or it is no UTF-8.
pub(crate) fn decoded(bytes: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            plain.push(*byte);
            continue;
        }
        let digits = [*rest.next()?, *rest.next()?];
        let text = std::str::from_utf8(&digits)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        plain.push(u8::from_str_radix(text, 16).ok()?);
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["", "branch-001.a_b~c", "a b&c=d/e?f%g+h", "张小明\n"] {
            let written = encoded(text);
            assert!(
                written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)),
                "{written}"
            );
            assert_eq!(decoded(written.as_bytes()).as_deref(), Some(text));
        }
        assert_eq!(encoded("a b&张"), "a%20b%26%E5%BC%A0");
    }
}
