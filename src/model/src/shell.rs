/// One word for a POSIX shell. No argument can hold NUL, which becomes U+FFFD.
pub fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    let text = text.replace('\0', "\u{fffd}").replace('\'', r"'\''");
    format!("'{text}'")
}
