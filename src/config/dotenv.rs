//! Reads `.env` files exactly like python-dotenv 1.0 and pydantic-settings 2, so that the file of the FastAPI
//! blog works unchanged. Other readers strip the quotes of a JSON list, expand a bare `$` or reject spaces.

use std::collections::{HashMap, HashSet};

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Dotenv {
    /// The values by lower-case name, with variables expanded.
    pub(super) values: HashMap<String, String>,
    /// The lower-case names that are written without `=`, and thus have no value.
    pub(super) without_value: HashSet<String>,
    /// The names of values that other values use as `${NAME}`.
    pub(super) used: HashSet<String>,
    /// The lines that cannot be read.
    pub(super) skipped: Vec<SkippedLine>,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SkippedLine {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The word at its beginning, which may be a name or a part of a value.
    pub(super) first_word: String,
}

/// Parses a file.
///
/// `${NAME}` is an earlier value of the file, or else a variable of `environment`; here names are
/// case-sensitive. Lines that cannot be read are skipped.
pub(super) fn parse(text: &str, environment: &HashMap<String, String>) -> Dotenv {
    // Python reads text files with universal newlines, also within quotes.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { text: &text, at: 0 };
    let mut values: Vec<(String, Option<String>)> = Vec::new();
    let mut file = Dotenv::default();

    while !reader.rest().is_empty() {
        reader.skip_while(is_space);
        let start = reader.at;
        match reader.binding() {
            Ok(Some((name, value))) => {
                let value = value.map(|value| expand(&value, &values, environment, &mut file.used));
                // A repeated name stays at its first position, as in a Python dict. The order matters for
                // `NAME` and `name`, which are one setting: the later position wins.
                match values.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => values.push((name, value)),
                }
            }
            Ok(None) => {}
            Err(Unreadable) => {
                reader.skip_while(|c| c != '\n');
                let (before, rest) = text.split_at_checked(start).unwrap_or_default();
                let rest = rest.strip_prefix("export ").unwrap_or(rest).trim_start();
                let word = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
                file.skipped.push(SkippedLine {
                    number: before.matches('\n').count().saturating_add(1),
                    first_word: word.unwrap_or_default().to_owned(),
                });
            }
        }
    }

    for (name, value) in values {
        let name = name.to_lowercase();
        if let Some(value) = value {
            file.without_value.remove(&name);
            file.values.insert(name, value);
        } else {
            file.values.remove(&name);
            file.without_value.insert(name);
        }
    }
    file
}

/// A line that python-dotenv skips with a warning.
struct Unreadable;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Advances by `length` bytes, which must end at a character boundary, and returns them.
    fn take(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    fn take_while(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.take(rest.find(|c| !matches(c)).unwrap_or(rest.len()))
    }

    fn skip_while(&mut self, skipped: impl Fn(char) -> bool) {
        self.take_while(skipped);
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|c| is_space(c) && c != '\n');
    }

    /// Reads the next name and value. A name without `=` has no value. `None` means a comment or the end of
    /// the file.
    fn binding(&mut self) -> Result<Option<(String, Option<String>)>, Unreadable> {
        if self.rest().is_empty() {
            return Ok(None);
        }
        self.skip_export();
        let name = self.name()?;
        self.skip_blanks();
        let value = if self.rest().starts_with('=') {
            self.take(1);
            self.skip_blanks();
            Some(self.value()?)
        } else {
            None
        };
        self.end_of_line()?;
        Ok(name.map(|name| (name.to_owned(), value)))
    }

    /// Skips `export` if white space follows; otherwise it is a name like any other.
    fn skip_export(&mut self) {
        let start = self.at;
        if self.rest().starts_with("export") {
            self.take("export".len());
            let after = self.at;
            self.skip_blanks();
            if self.at == after {
                self.at = start;
            }
        }
    }

    fn name(&mut self) -> Result<Option<&'a str>, Unreadable> {
        let rest = self.rest();
        if rest.starts_with('#') {
            return Ok(None);
        }
        let name = if let Some(quoted) = rest.strip_prefix('\'') {
            let end = quoted.find('\'').ok_or(Unreadable)?;
            self.take(1);
            let name = self.take(end);
            if !name.is_empty() {
                self.take(1);
            }
            name
        } else {
            self.take_while(|c| c != '=' && c != '#' && !is_space(c))
        };
        if name.is_empty() { Err(Unreadable) } else { Ok(Some(name)) }
    }

    fn value(&mut self) -> Result<String, Unreadable> {
        if let Some(quote @ ('\'' | '"')) = self.rest().chars().next() {
            let length = quoted_length(self.rest(), quote).ok_or(Unreadable)?;
            self.take(1);
            let written = self.take(length);
            self.take(1);
            return Ok(unescape(written, quote));
        }
        let line = self.take_while(|c| c != '\n');
        let comment = line
            .char_indices()
            .zip(line.chars().skip(1))
            .find(|&((_, before), c)| c == '#' && is_space(before))
            .map_or(line.len(), |((at, _), _)| at);
        Ok(line.get(..comment).unwrap_or_default().trim_end_matches(is_space).to_owned())
    }

    /// Reads the rest of a line. Only a comment may follow a value.
    fn end_of_line(&mut self) -> Result<(), Unreadable> {
        self.skip_blanks();
        if self.rest().starts_with('#') {
            self.skip_while(|c| c != '\n');
        }
        match self.rest().chars().next() {
            None => Ok(()),
            Some('\n') => {
                self.take(1);
                Ok(())
            }
            Some(_) => Err(Unreadable),
        }
    }
}

/// The number of bytes between the quote at the start of `text` and the closing quote. The closing quote is
/// the first one without a backslash before it, or the last one if all have a backslash.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let inside = text.strip_prefix(quote)?;
    let mut quotes = inside.match_indices(quote).map(|(at, _)| at);
    quotes.find(|&at| !inside.get(..at).unwrap_or_default().ends_with('\\')).or_else(|| inside.rfind(quote))
}

fn unescape(written: &str, quote: char) -> String {
    let mut value = String::with_capacity(written.len());
    let mut rest = written.chars();
    while let Some(c) = rest.next() {
        let escaped =
            (c == '\\').then(|| rest.clone().next()).flatten().and_then(|next| match (next, quote) {
                ('\\' | '\'', _) | ('"', '"') => Some(next),
                ('a', '"') => Some('\u{7}'),
                ('b', '"') => Some('\u{8}'),
                ('f', '"') => Some('\u{c}'),
                ('n', '"') => Some('\n'),
                ('r', '"') => Some('\r'),
                ('t', '"') => Some('\t'),
                ('v', '"') => Some('\u{b}'),
                _ => None,
            });
        if escaped.is_some() {
            rest.next();
        }
        value.push(escaped.unwrap_or(c));
    }
    value
}

/// Replaces `${NAME}` and `${NAME:-default}`. Everything else stays unchanged, `$NAME` included. Earlier
/// values of the file take precedence over the environment.
fn expand(
    value: &str,
    earlier: &[(String, Option<String>)],
    environment: &HashMap<String, String>,
    used: &mut HashSet<String>,
) -> String {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let Some((name, default, remainder)) = variable(after) else {
            expanded.push_str("${");
            rest = after;
            continue;
        };
        used.insert(name.to_owned());
        let known = match earlier.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Some(value.as_deref().unwrap_or_default()),
            None => environment.get(name).map(String::as_str),
        };
        expanded.push_str(known.unwrap_or(default));
        rest = remainder;
    }
    expanded.push_str(rest);
    expanded
}

/// Splits `NAME}…` or `NAME:-default}…` into the name, the default and the rest.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_at_checked(text.find([':', '}'])?)?;
    if let Some(remainder) = rest.strip_prefix('}') {
        return Some((name, "", remainder));
    }
    let (default, remainder) = rest.strip_prefix(":-")?.split_once('}')?;
    Some((name, default, remainder))
}

/// White space as defined by Python's `\s`: Unicode white space and the four information separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> HashMap<String, String> {
        [("HOME_TOWN", "Graz"), ("SHADOWED", "outside"), ("lower", "l")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

    /// The results of pydantic-settings 2.1.0 with python-dotenv 1.0.0 for these files.
    #[rustfmt::skip]
    const AS_PYTHON_READS: &[Case] = &[
        ("unquoted values may contain spaces and dollar signs", "APP_NAME=My Blog\nA=a$b$HOME_TOWN c\n", &[("a", "a$b$HOME_TOWN c"), ("app_name", "My Blog")]),
        ("white space around names and values is removed", "  A  =  b c  \n\tB\t=\td\t\n", &[("a", "b c"), ("b", "d")]),
        ("export is dropped", "export A=1\nexport\tB=2\nexport=3\nexported=4\n", &[("a", "1"), ("b", "2"), ("export", "3"), ("exported", "4")]),
        ("a JSON list keeps its quotes", "A=[\"http://a\", \"http://b\"]\n", &[("a", "[\"http://a\", \"http://b\"]")]),
        ("a comment needs white space before it", "A=a#b\nB=a #b\nC=a \t# b # c\nD= # e\nE=#f\nF=a# b\n", &[("a", "a#b"), ("b", "a"), ("c", "a"), ("d", "# e"), ("e", "#f"), ("f", "a# b")]),
        ("comments and empty lines are ignored", "# A=1\n\n   # B=2\nC=3 # D=4\n", &[("c", "3")]),
        ("single quotes have two escapes", "A='a # b \\n \"c\" \\'d\\' \\\\'\n", &[("a", "a # b \\n \"c\" 'd' \\")]),
        ("double quotes have the escapes of C", "A=\"a # 'b' \\\"c\\\" \\\\ \\n\\t\\a\\b\\f\\r\\v \\x \\' $\"\n", &[("a", "a # 'b' \"c\" \\ \n\t\u{7}\u{8}\u{c}\r\u{b} \\x ' $")]),
        ("quoted values may span lines", "A=\"one\ntwo\"\nB='three\nfour'\nC=5\n", &[("a", "one\ntwo"), ("b", "three\nfour"), ("c", "5")]),
        ("carriage returns are line ends, within quotes too", "A=1\r\nB=\"x\r\ny\"\rC=3\r\n", &[("a", "1"), ("b", "x\ny"), ("c", "3")]),
        ("a comment may follow quotes, nothing else may", "A=\"x\" # c\nB=\"y\"#d\nC=\"z\" w\nD='v'u\nE=1\n", &[("a", "x"), ("b", "y"), ("e", "1")]),
        ("an unclosed quote affects only its line", "A=\"x\nB=1\nC='y\nD=2\n", &[("b", "1"), ("d", "2")]),
        ("an escaped last quote closes the value", "A='x\\'\nB=1\n", &[("a", "x\\"), ("b", "1")]),
        ("a backslash before the quote always escapes it", "A=\"x\\\\\" \"\nB=1\n", &[("a", "x\\\" "), ("b", "1")]),
        ("a name without equals sign is absent", "A\nB=1\nB\nC=\n", &[("c", "")]),
        ("names may be quoted", "'A B'=1\n'C'=2\n''=3\nD=4\n", &[("a b", "1"), ("c", "2"), ("d", "4")]),
        ("lines without a name are skipped", "=1\n = 2\nA B=3\nC=4\n", &[("c", "4")]),
        ("the last of repeated names wins", "A=1\nB=2\nA=3\n", &[("a", "3"), ("b", "2")]),
        ("case variants of a name go by their first place", "Foo=1\nFOO=2\nFoo=3\n", &[("foo", "2")]),
        ("names of another case can be absent too", "FOO=1\nfoo\n", &[]),
        ("variables come from the file, then the environment", "SHADOWED=inside\nA=${SHADOWED} ${HOME_TOWN} ${NONE}.\nB=${LATER}\nLATER=1\n", &[("a", "inside Graz ."), ("b", ""), ("later", "1"), ("shadowed", "inside")]),
        ("a variable's default", "A=${NONE:-d e}\nB=${HOME_TOWN:-x}\nC=${NONE:-}\nD=${NONE:-a:-b}\nE=${:-e}\n", &[("a", "d e"), ("b", "Graz"), ("c", ""), ("d", "a:-b"), ("e", "e")]),
        ("text that is not a variable is unchanged", "A=$HOME_TOWN\nB=${HOME_TOWN\nC=${HOME_TOWN:x}\nD=${X:${HOME_TOWN}}\nE=$${HOME_TOWN}\nF=${}\n", &[("a", "$HOME_TOWN"), ("b", "${HOME_TOWN"), ("c", "${HOME_TOWN:x}"), ("d", "${X:Graz}"), ("e", "$Graz"), ("f", "")]),
        ("variables in quotes expand", "A='${HOME_TOWN}'\nB=\"${HOME_TOWN}\\n\"\nC='\\${HOME_TOWN}'\n", &[("a", "Graz"), ("b", "Graz\n"), ("c", "\\Graz")]),
        ("variables are case-sensitive", "A=${LOWER}${lower}\nb=1\nC=${B}${b}\n", &[("a", "l"), ("b", "1"), ("c", "1")]),
        ("a variable without a value is empty", "A\nB=[${A:-d}]\n", &[("b", "[]")]),
        ("a name can build on itself", "A=1\nA=${A}2\n", &[("a", "12")]),
        ("no line end at the end", "A=1\nB=2", &[("a", "1"), ("b", "2")]),
        ("unicode white space is white space", "A=\u{a0}x\u{3000}\nB=\u{1f}y \u{1f}#z\n\u{2003}C=ü ß\n", &[("a", "x"), ("b", "y"), ("c", "ü ß")]),
        ("a byte order mark belongs to the name", "\u{feff}A=1\nB=2\n", &[("b", "2"), ("\u{feff}a", "1")]),
        ("an empty quoted value", "A=''\nB=\"\"\n", &[("a", ""), ("b", "")]),
        ("yaml is not supported", "A: 1\nB=2\n", &[("b", "2")]),
    ];

    #[test]
    fn files_are_read_like_python_dotenv_reads_them() {
        for (what, text, expected) in AS_PYTHON_READS {
            let expected: HashMap<String, String> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(parse(text, &environment()).values, expected, "{what}: {text:?}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_reported_by_number() {
        let text = "A=1\n\n= 2\nB=\"x\ny\"\r\nC='z\n  D E=3\nF=4";
        let numbers = |text: &str| -> Vec<usize> {
            parse(text, &environment()).skipped.iter().map(|line| line.number).collect()
        };
        assert_eq!(numbers(text), [3, 6, 7]);
        assert_eq!(numbers("A=1\nB # C\n"), Vec::<usize>::new());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_reported_with_its_first_word() {
        for (line, word) in [
            ("PORT: 80", "PORT"),
            ("export  SECRET_KEY=\"abc", "SECRET_KEY"),
            ("  DATABASE_URL = 'x' y", "DATABASE_URL"),
            ("= x", ""),
            ("'A", ""),
        ] {
            let skipped = parse(&format!("{line}\nHOST=::1\n"), &environment());
            assert_eq!(skipped.values["host"], "::1", "{line}");
            assert_eq!(skipped.skipped, [SkippedLine { number: 1, first_word: word.to_owned() }], "{line}");
        }
    }

    #[test]
    fn names_without_a_value_and_names_that_values_use_are_reported() {
        let file = parse("A=1\nB=${A}${HOME_TOWN:-x}\nC\nD\nd=2\nE=3\ne\n", &environment());
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
        assert_eq!(file.used, set(&["A", "HOME_TOWN"]));
        assert_eq!(file.without_value, set(&["c", "e"]));
    }
}
