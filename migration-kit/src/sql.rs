//! Just enough of SQL's grammar to read a statement: what SQLite's pragmas don't tell, and what a linter asks.

/// One token: a word or number in lower case, a quoted name without its quotes, a string as written, or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Name(String),
    Text(String),
    Sign(char),
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// A name, with or without quotes.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(_) | Self::Sign(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            // A name that reads the same without its quotes is the same name.
            Self::Name(name) if plain(name) => name.clone(),
            Self::Name(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Text(text) => text.clone(),
            Self::Sign(sign) => sign.to_string(),
        }
    }
}

fn plain(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The tokens of a statement, comments left out.
pub(crate) fn tokens(sql: &str) -> Vec<Token> {
    let mut rest = sql.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&next) = rest.peek() {
        match next {
            c if c.is_whitespace() => {
                rest.next();
            }
            '\'' => tokens.push(Token::Text(format!("'{}'", quoted(&mut rest, '\'').replace('\'', "''")))),
            '"' => tokens.push(Token::Name(quoted(&mut rest, '"'))),
            '`' => tokens.push(Token::Name(quoted(&mut rest, '`'))),
            '[' => tokens.push(Token::Name(quoted(&mut rest, ']'))),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::new();
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.')) {
                    word.extend(c.to_lowercase());
                }
                tokens.push(Token::Word(word));
            }
            sign => {
                rest.next();
                match (sign, rest.peek()) {
                    ('-', Some('-')) => while rest.next_if(|c| *c != '\n').is_some() {},
                    ('/', Some('*')) => {
                        let mut last = ' ';
                        for c in rest.by_ref() {
                            if last == '*' && c == '/' {
                                break;
                            }
                            last = c;
                        }
                    }
                    _ => tokens.push(Token::Sign(sign)),
                }
            }
        }
    }
    tokens
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> String {
    rest.next();
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c == end && rest.next_if_eq(&end).is_none() {
            break;
        }
        text.push(c);
    }
    text
}

/// Tokens as text in one spelling, so that two spellings of one expression compare equal.
pub(crate) fn normal(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut last: Option<&Token> = None;
    for token in tokens {
        let tight = matches!(token, Token::Sign(')' | ',' | '.'))
            || matches!(last, None | Some(Token::Sign('(' | '.')))
            || matches!((last, token), (Some(Token::Sign(a)), Token::Sign(b)) if operator(*a) && operator(*b));
        if !tight {
            text.push(' ');
        }
        text.push_str(&token.text());
        last = Some(token);
    }
    text
}

fn operator(sign: char) -> bool {
    matches!(sign, '<' | '>' | '=' | '!' | '|')
}

/// The tokens inside the parenthesis that opens at `open`, and where it closes.
pub(crate) fn group(tokens: &[Token], open: usize) -> Option<(&[Token], usize)> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(') => depth = depth.saturating_add(1),
            Token::Sign(')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some((tokens.get(open.saturating_add(1)..at)?, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// Splits at the commas that stand in no inner parenthesis.
pub(crate) fn items(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token {
                Token::Sign('(') => depth = depth.saturating_add(1),
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Sign(',')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_expression_are_one_text() {
        let text = |sql| normal(&tokens(sql));
        assert_eq!(
            text("\"Price\">0 -- cheap\n AND (a||'It''s')  <> [b]"),
            text("\"Price\" > 0 and (a || 'It''s') <> b")
        );
        assert_ne!(text("a > 'B'"), text("a > 'b'"));
        assert_ne!(text("\"A\" > 1"), text("a > 1"));
    }

    #[test]
    fn a_table_is_split_at_its_outer_commas_only() {
        let all = tokens("CREATE TABLE t (a decimal(10, 2), CHECK (a IN (1, 2)))");
        let open = all.iter().position(|token| *token == Token::Sign('(')).unwrap();
        let (inside, close) = group(&all, open).unwrap();
        assert_eq!(close, all.len() - 1);
        let texts: Vec<_> = items(inside).into_iter().map(normal).collect();
        assert_eq!(texts, ["a decimal (10, 2)", "check (a in (1, 2))"]);
    }
}
