//! Did you mean …?

/// Longer words are not guessed at.
const LONGEST: usize = 100;

/// The candidate that somebody who wrote `word` most likely meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1.max(word.len().max(candidate.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A help line: the nearest candidate, or all of them when there are few.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let all: Vec<&str> = candidates.into_iter().collect();
    if let Some(nearest) = nearest(word, all.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    (1..=20)
        .contains(&all.len())
        .then(|| format!("there is {}", listed(&all)))
}

/// `a`, `b` and `c`.
pub fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".into(),
        Some((one, [])) => one.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let words = ["issuer", "area", "known-failures"];
        assert_eq!(nearest("isuer", words), Some("issuer"));
        assert_eq!(nearest("Known_Failures", words), Some("known-failures"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest(&"x".repeat(5000), words), None);
        assert_eq!(
            suggestion("colour", words).as_deref(),
            Some("there is `issuer`, `area` and `known-failures`")
        );
    }
}
