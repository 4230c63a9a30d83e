//! Signatures after the public convention "Standard Webhooks" (standardwebhooks.com).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Begins a key that is written in base64.
const BASE64_KEY: &str = "whsec_";

/// Signs what is sent.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SigningKey {
    /// From a secret as configuration gives it: `whsec_` and base64, or the key itself.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and nothing of the secret.
    pub(crate) fn new(secret: &str) -> Result<Self, String> {
        let key = match secret.strip_prefix(BASE64_KEY) {
            Some(base64) => {
                STANDARD.decode(base64).map_err(|_| format!("what follows {BASE64_KEY} is not base64"))?
            }
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err("the key is empty".to_owned());
        }
        Ok(Self(Zeroizing::new(key)))
    }

    /// The header `webhook-signature` of this body.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of every length")
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Example of the convention's own documents; Python's hmac module gives the same.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_may_stand_as_it_is() {
        let plain = SigningKey::new("a key of thirty-two characters!!").unwrap();
        let same = STANDARD.encode("a key of thirty-two characters!!");
        let base64 = SigningKey::new(&format!("whsec_{same}")).unwrap();
        assert_eq!(plain.sign("id", 7, b"body"), base64.sign("id", 7, b"body"));
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        for secret in ["whsec_", "whsec_canary!!", ""] {
            let message = SigningKey::new(secret).err().unwrap();
            assert!(!message.contains("canary"), "{message}");
        }
    }
}
