//! Near misses: which name somebody may have meant.
//!
//! The distance is that of Damerau and Levenshtein, in its restricted form: a letter changed, added,
//! left out, or swapped with its neighbour.

/// How many slips lie between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

/// `; did you mean NAME?`, or nothing if no name is near. One slip for each three letters, at most two;
/// a name that the word begins is near too.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let letters = word.trim_start_matches('-').chars().count();
    let most = (letters.div_ceil(3)).min(2);
    let by_slips = names.clone().map(|name| (distance(word, name), name)).filter(|(slips, _)| *slips <= most).min();
    let begun = || {
        let mut begun = names.filter(|name| letters >= 2 && name.starts_with(word));
        begun.next().filter(|_| begun.next().is_none())
    };
    let near = by_slips.map(|(_, name)| name).or_else(begun);
    near.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, expect) in [
            ("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("evla", "eval", 1), ("histroy", "history", 1),
            ("brnach", "branch", 1), ("chek", "check", 1), ("kitten", "sitting", 3), ("ca", "abc", 3),
        ] {
            assert_eq!(distance(a, b), expect, "{a} {b}");
            assert_eq!(distance(b, a), expect, "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let names = ["new", "eval", "run", "restore", "register", "--no-save"];
        for (word, expect) in [
            ("evla", "eval"), ("nwe", "new"), ("restroe", "restore"), ("regist", "register"), ("--no-sav", "--no-save"),
            ("x", ""), ("re", ""), ("qqqq", ""), ("window", ""), ("--nosave", "--no-save"), ("rin", "run"),
        ] {
            let expect = if expect.is_empty() { String::new() } else { format!("; did you mean {expect}?") };
            assert_eq!(nearest(word, names.into_iter()), expect, "{word}");
        }
    }
}
