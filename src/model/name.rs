//! Names of collections and kinds.

/// The longest name of a collection or a kind, in bytes.
pub(crate) const MAX_NAME: usize = 128;

/// Why `name` cannot name a collection or a kind, or `None` where it can: one to [`MAX_NAME`] bytes without control
/// characters.
pub(crate) fn flaw(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > MAX_NAME {
        Some("it is longer than 128 bytes")
    } else if name.chars().any(char::is_control) {
        Some("it contains a control character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(flaw("users"), None);
        assert_eq!(flaw("größe/ä b"), None);
        assert!(flaw("").is_some());
        assert!(flaw("a\0").is_some());
        assert_eq!(flaw(&"x".repeat(MAX_NAME)), None);
        assert!(flaw(&"x".repeat(MAX_NAME + 1)).is_some());
    }
}
