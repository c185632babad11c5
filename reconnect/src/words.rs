//! What peers say, kept short. Their words are told to every caller who waits, so that one huge refusal would become as
//! many huge texts.

/// So many bytes of a peer's words are kept.
const KEPT: usize = 1024;

/// The beginning of a peer's words, with a sign if there was more.
pub(crate) fn shortened(mut words: String) -> String {
    if KEPT < words.len() {
        words.truncate(words.floor_char_boundary(KEPT));
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(shortened("no".to_owned()), "no");
        let cut = shortened("ä".repeat(1000));
        assert_eq!(cut, format!("{}…", "ä".repeat(512)));
        let cut = shortened(format!("x{}", "ä".repeat(1000)));
        assert_eq!(cut, format!("x{}…", "ä".repeat(511)));
    }
}
