//! What a topic may be called.

use crate::types::limit::TOPIC_NAME_BYTES_MAX;

/// Is this the name of a topic that may be? The error says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match name {
        "" => Err("the name of a topic must not be empty"),
        "." | ".." => Err("the name of a topic must not be . or .."),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => Err("the name of a topic must not be longer than 249 characters"),
        _ if !name.bytes().all(is_good) => {
            Err("the name of a topic is made of ASCII letters, digits, '.', '_' and '-'")
        }
        _ => Ok(()),
    }
}
