//! Names in messages: which one was meant, and which there are.

/// Names that a word is compared with; more make no better hint.
const MOST_COMPARED: usize = 1_000;

/// The word that was most likely meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    known
        .filter(|known| known.len() <= LONGEST)
        .take(MOST_COMPARED)
        .filter_map(|known| {
            let other = known.chars().count();
            let most = 1.max((other.min(length) + 2) / 4);
            // So far apart they are at least; comparing costs more than counting.
            (other.abs_diff(length) <= most)
                .then(|| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
                .filter(|(distance, _)| *distance <= most)
        })
        .min()
        .map(|(_, known)| known)
}

/// Names in one line, cut short if there are many.
pub(crate) fn listed(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    const MOST: usize = 16;
    let mut names = names.fuse();
    let mut list: Vec<String> = names.by_ref().take(MOST).map(|name| name.to_string()).collect();
    let more = names.count();
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join(", ")
}
