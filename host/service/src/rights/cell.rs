//! How far a right reaches and how it is used.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::Language;

/// How far a right reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// One's own customers; of duty, oneself.
    Own,
    /// One's own branch.
    Branch,
    /// Everything.
    All,
}

/// What a role may do of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How far.
    pub reach: Reach,
    /// Whether it is done by oneself.
    pub does: bool,
    /// Whether it is asked for, and somebody else approves.
    pub proposes: bool,
    /// Whether it is approved where others ask for it.
    pub approves: bool,
    /// Whether it is approved only where nobody is there whose duty it is.
    pub stands_in: bool,
    /// Whether what tells who somebody is comes shortened.
    pub masked: bool,
    /// Whether it needs a reason.
    pub reason: bool,
    /// How many months back, if not for ever.
    pub months: Option<u8>,
}

impl Cell {
    /// Everything everywhere: what the console of a host may.
    pub const EVERYTHING: Self = Self {
        reach: Reach::All,
        does: true,
        proposes: false,
        approves: false,
        stands_in: false,
        masked: false,
        reason: false,
        months: None,
    };

    /// What somebody may do who may do either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            reach: self.reach.max(other.reach),
            does: self.does || other.does,
            proposes: self.proposes || other.proposes,
            approves: self.approves || other.approves,
            stands_in: self.stands_in && other.stands_in,
            masked: self.masked && other.masked,
            reason: self.reason && other.reason,
            months: self.months.zip(other.months).map(|(one, other)| one.max(other)),
        }
    }

    /// In words for people.
    pub(super) fn shown(&self, language: Language) -> String {
        let in_language = |en: &str, zh: &str| match language {
            Language::Chinese => zh.to_owned(),
            Language::English => en.to_owned(),
        };
        let mut words = vec![match self.reach {
            Reach::Own => in_language("own", "本人"),
            Reach::Branch => in_language("branch", "本网点"),
            Reach::All => in_language("all", "全部"),
        }];
        for (is_so, en, zh) in [
            (self.masked, "masked", "脱敏"),
            (self.reason, "reason", "需说明理由"),
            (self.proposes, "proposes", "申请"),
            (self.approves, "approves", "审批"),
            (self.stands_in, "stand-in", "代审"),
        ] {
            if is_so {
                words.push(in_language(en, zh));
            }
        }
        if let Some(months) = self.months {
            words.push(in_language(&format!("{months} months"), &format!("{months} 个月")));
        }
        words.join(", ")
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',').map(str::trim);
        let reach = match words.next() {
            Some("own") => Reach::Own,
            Some("branch") => Reach::Branch,
            Some("all") => Reach::All,
            other => return Err(format!("{:?} is not own, branch or all", other.unwrap_or_default())),
        };
        let mut cell = Self { reach, ..Self::EVERYTHING };
        for word in words {
            match word {
                "masked" => cell.masked = true,
                "reason" => cell.reason = true,
                "proposes" => cell.proposes = true,
                "approves" => cell.approves = true,
                "stand-in" => cell.stands_in = true,
                _ => {
                    let months = word.strip_suffix(" months").and_then(|months| months.parse().ok());
                    cell.months = Some(months.ok_or_else(|| format!("{word:?} is not known"))?);
                }
            }
        }
        cell.does = !cell.proposes && !cell.approves;
        Ok(cell)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_is_written() {
        let cell: Cell = "own, proposes, 13 months".parse().unwrap();
        assert_eq!((cell.reach, cell.does, cell.proposes, cell.months), (Reach::Own, false, true, Some(13)));
        assert!("branch, reason".parse::<Cell>().unwrap().does);
        for text in ["", "everything", "branch, often", "branch,, masked", "all, x months"] {
            assert!(text.parse::<Cell>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_roles_together_may_what_either_may_and_nothing_takes_away() {
        let (one, other): (Cell, Cell) =
            ("own, proposes, 13 months".parse().unwrap(), "branch, masked, reason".parse().unwrap());
        let both = one.or(other);
        assert_eq!((both.reach, both.does, both.proposes), (Reach::Branch, true, true));
        assert!(!both.masked && !both.reason && both.months.is_none());
        assert_eq!(both, other.or(one));
    }
}
