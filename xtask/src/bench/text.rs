//! A text that is the same everywhere: what programs are timed on that read files.

/// Words of a language that there is not, in lines of some sixty bytes: some thousands of words, of which few are common, as in a real text.
pub(super) fn text(bytes: usize) -> String {
    const SYLLABLES: [&str; 24] = [
        "an", "ber", "co", "den", "el", "fi", "gor", "hu", "ing", "ja", "ko", "lis", "mor", "ne", "ost",
        "pra", "qui", "ra", "st", "tion", "u", "vel", "wa", "ze",
    ];
    let mut state = 1_u64;
    // Knuth's MMIX generator; the upper bits.
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let word = |mut number: u64| {
        let mut word = String::new();
        loop {
            word.push_str(SYLLABLES[(number % 24) as usize]);
            number /= 24;
            if number == 0 {
                return word;
            }
        }
    };
    let words: Vec<String> = (0..8000).map(word).collect();
    let (mut text, mut line) = (String::with_capacity(bytes + 100), 0);
    while text.len() < bytes {
        // The lower a number, the more often it is.
        let most = 1 + random(words.len() as u64);
        let word = &words[random(most) as usize];
        text.push_str(word);
        line += word.len() + 1;
        let ends = line > 50 + random(20) as usize;
        text.push(if ends { '\n' } else { ' ' });
        line = if ends { 0 } else { line };
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_text_is_as_long_as_asked_and_has_lines_of_words() {
        let text = text(100_000);
        assert_eq!(text.len(), 100_000);
        let lines: Vec<&str> = text.lines().collect();
        assert!((1400..2200).contains(&lines.len()), "{} lines", lines.len());
        let words: std::collections::BTreeSet<&str> = text.split_whitespace().collect();
        assert!(words.len() > 2000, "{} words", words.len());
    }
}
