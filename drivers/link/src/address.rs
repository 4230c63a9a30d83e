//! Where a reader is reached, as configurations say it.

/// Host and port of `HOST`, `HOST:PORT`, `IPV6`, `[IPV6]` or `[IPV6]:PORT`; nothing where it is no address.
pub fn host_and_port(address: &str, usual_port: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        match behind {
            "" => (host, None),
            behind => (host, Some(behind.strip_prefix(':')?)),
        }
    } else {
        match address.split_once(':') {
            Some((_, behind)) if behind.contains(':') => (address, None),
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => usual_port,
    };
    let is_host_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (!host.is_empty() && host.bytes().all(is_host_char)).then(|| (host.to_owned(), port))
}
