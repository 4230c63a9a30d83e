//! How a name is typed on a keyboard without Chinese characters.

use pinyin::{ToPinyin, ToPinyinMulti};

/// Readings of one name that are kept at most: a name of characters with many readings each would
/// have thousands.
const MOST: usize = 8;

/// The ways to type a name that has Chinese characters in it: whole pinyin, initials, and the first
/// character whole with initials; nothing for a name without such characters.
pub(super) fn readings(name: &str) -> Vec<String> {
    let syllables: Vec<Vec<String>> = name.chars().map(syllables_of).collect();
    if !name.chars().any(|c| c.to_pinyin().is_some()) {
        return Vec::new();
    }
    let mut ways: Vec<Vec<&str>> = vec![Vec::new()];
    for choices in &syllables {
        let longer = ways.iter().flat_map(|way| {
            choices
                .iter()
                .map(move |syllable| way.iter().copied().chain([syllable.as_str()]).collect::<Vec<_>>())
        });
        ways = longer.take(MOST).collect();
    }
    let mut readings = Vec::new();
    for way in ways {
        let initials = |from: usize| way.iter().skip(from).filter_map(|syllable| syllable.chars().next());
        let first = way.first().copied().unwrap_or_default();
        for reading in [way.concat(), initials(0).collect(), first.chars().chain(initials(1)).collect()] {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
    }
    readings
}

/// The syllables that one character is read as; itself if it is not Chinese. `ü` is typed `v`, and by
/// some `u`.
fn syllables_of(c: char) -> Vec<String> {
    let mut syllables: Vec<String> = Vec::new();
    let plain = match c.to_pinyin_multi() {
        Some(several) => several.into_iter().map(|reading| reading.plain()).collect(),
        None => c.to_pinyin().map(|reading| reading.plain()).into_iter().collect::<Vec<_>>(),
    };
    for reading in plain {
        for typed in [reading.replace('ü', "v"), reading.replace('ü', "u")] {
            if !syllables.contains(&typed) {
                syllables.push(typed);
            }
        }
    }
    if syllables.is_empty() {
        syllables.push(c.to_string());
    }
    syllables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_typed_whole_by_initials_or_by_surname_and_initials() {
        let typed = readings("张小明");
        for way in ["zhangxiaoming", "zxm", "zhangxm"] {
            assert!(typed.iter().any(|reading| reading == way), "{way}: {typed:?}");
        }
        assert!(readings("josemuller").is_empty());
        let mixed = readings("李lei");
        assert!(mixed.contains(&"lilei".to_owned()), "{mixed:?}");
    }

    #[test]
    fn each_reading_of_a_character_is_one() {
        for (name, reading) in [
            ("单雄信", "shanxiongxin"),
            ("曾国藩", "zengguofan"),
            ("解缙", "xiejin"),
            ("吕布", "lvbu"),
            ("吕布", "lubu"),
        ] {
            assert!(readings(name).iter().any(|typed| typed == reading), "{name}: {:?}", readings(name));
        }
        assert!(readings(&"重".repeat(200)).len() <= 3 * MOST);
    }
}
