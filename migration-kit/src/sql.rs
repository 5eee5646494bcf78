//! A tokenizer for SQL, for what SQLite's pragmas do not report and for the linter.

/// One token: a word or number in lower case, a quoted name without its quotes, a string as written, or a
/// symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Name(String),
    Text(String),
    Symbol(char),
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// A name, with or without quotes.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(_) | Self::Symbol(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            // A quoted name equals the unquoted one if it needs no quotes.
            Self::Name(name) if !needs_quotes(name) => name.clone(),
            Self::Name(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Text(text) => text.clone(),
            Self::Symbol(symbol) => symbol.to_string(),
        }
    }
}

fn needs_quotes(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
        || name.is_empty()
        || name.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
}

/// The tokens of a statement, without comments.
pub(crate) fn tokenize(sql: &str) -> Vec<Token> {
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
            symbol => {
                rest.next();
                match (symbol, rest.peek()) {
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
                    _ => tokens.push(Token::Symbol(symbol)),
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

/// The tokens as text in a normal form, so that different spellings of the same expression are equal.
pub(crate) fn normalize(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut last: Option<&Token> = None;
    for token in tokens {
        let tight = matches!(token, Token::Symbol(')' | ',' | '.'))
            || matches!(last, None | Some(Token::Symbol('(' | '.')))
            || matches!((last, token), (Some(Token::Symbol(a)), Token::Symbol(b)) if operator(*a) && operator(*b));
        if !tight {
            text.push(' ');
        }
        text.push_str(&token.text());
        last = Some(token);
    }
    text
}

fn operator(symbol: char) -> bool {
    matches!(symbol, '<' | '>' | '=' | '!' | '|')
}

/// The tokens inside the parentheses that open at `open`, and the position of the closing one.
pub(crate) fn parenthesized(tokens: &[Token], open: usize) -> Option<(&[Token], usize)> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Symbol('(') => depth = depth.saturating_add(1),
            Token::Symbol(')') => {
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

/// Splits at the commas that are not inside parentheses.
pub(crate) fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token {
                Token::Symbol('(') => depth = depth.saturating_add(1),
                Token::Symbol(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Symbol(',')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_spellings_of_an_expression_normalize_to_the_same_text() {
        let text = |sql| normalize(&tokenize(sql));
        assert_eq!(
            text("\"Price\">0 -- cheap\n AND (a||'It''s')  <> [b]"),
            text("\"Price\" > 0 and (a || 'It''s') <> b")
        );
        assert_ne!(text("a > 'B'"), text("a > 'b'"));
        assert_ne!(text("\"A\" > 1"), text("a > 1"));
    }

    #[test]
    fn a_table_definition_is_split_at_its_outer_commas_only() {
        let all = tokenize("CREATE TABLE t (a decimal(10, 2), CHECK (a IN (1, 2)))");
        let open = all.iter().position(|token| *token == Token::Symbol('(')).unwrap();
        let (inside, close) = parenthesized(&all, open).unwrap();
        assert_eq!(close, all.len() - 1);
        let texts: Vec<_> = split_at_commas(inside).into_iter().map(normalize).collect();
        assert_eq!(texts, ["a decimal (10, 2)", "check (a in (1, 2))"]);
    }
}
