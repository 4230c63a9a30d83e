//! Statements as the reader understands them (§2).

use super::lexer::{Token, tokens};

/// Why a statement is not carried out: the code and the text of the reader's error message.
pub(super) type Refusal = (u16, String);

/// A statement that the reader can carry out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    Select(Select),
    Update(Update),
    Declare { name: String, held: Box<Statement> },
    Close(String),
    Fetch(Vec<String>),
    AutoOn { names: Vec<String>, repeat_ms: Option<u64> },
    AutoOff,
    Trigger { name: String, at: String },
    AutoTime { name: String, start: String, stop: Option<String>, repeat_ms: u64 },
    Repeat(u64),
    Reset,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Select {
    pub(super) columns: Vec<String>,
    pub(super) table: String,
    pub(super) condition: Option<Condition>,
    pub(super) time_out_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Update {
    pub(super) table: String,
    pub(super) items: Vec<(String, Value)>,
    pub(super) condition: Option<Condition>,
}

/// A WHERE clause.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { column: String, operator: Operator, value: Value },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    /// Digits behind `0x`, in upper case.
    Hex(String),
    Text(String),
}

impl Value {
    /// The value as a number, if it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Hex(digits) => u64::from_str_radix(digits, 16).ok(),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Deepest nesting of parentheses that is taken.
const DEEPEST: usize = 32;

impl Statement {
    /// Reads a statement without its semicolon.
    ///
    /// # Errors
    /// The text of the reader's error message (§1.1).
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
        let statement = parser.statement()?;
        match parser.peek() {
            None => Ok(statement),
            Some(_) => Err(parser.unexpected()),
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement, String> {
        let Some(Token::Word(word)) = self.next() else { return Err(self.unexpected_before()) };
        match word.to_ascii_uppercase().as_str() {
            "SELECT" => self.select().map(Statement::Select),
            "UPDATE" => self.update().map(Statement::Update),
            "DECLARE" => self.declare(),
            "CLOSE" => self.word().map(Statement::Close),
            "FETCH" => self.names().map(Statement::Fetch),
            "SET" => self.set(),
            "RESET" => Ok(Statement::Reset),
            _ => Err(self.unexpected_before()),
        }
    }

    fn select(&mut self) -> Result<Select, String> {
        let columns = self.names()?;
        self.keyword("FROM")?;
        let table = self.word()?;
        let condition = self.condition_if_any()?;
        let time_out_ms = if self.is_keyword("SET") {
            self.at += 1;
            self.keyword("TIME_OUT")?;
            self.symbol("=")?;
            Some(self.number()?)
        } else {
            None
        };
        Ok(Select { columns, table, condition, time_out_ms })
    }

    fn update(&mut self) -> Result<Update, String> {
        let table = self.word()?;
        self.keyword("SET")?;
        let mut items = Vec::new();
        loop {
            let column = self.word()?;
            self.symbol("=")?;
            items.push((column, self.value()?));
            if !self.takes_symbol(",") {
                break;
            }
        }
        Ok(Update { table, items, condition: self.condition_if_any()? })
    }

    fn declare(&mut self) -> Result<Statement, String> {
        let name = self.word()?;
        self.keyword("CURSOR")?;
        self.keyword("FOR")?;
        // Of tag tables; what else a cursor must not hold is found when it is declared (§5.2).
        let held = match self.next() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("SELECT") => {
                Statement::Select(self.select()?)
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("UPDATE") => {
                Statement::Update(self.update()?)
            }
            _ => return Err(self.unexpected_before()),
        };
        Ok(Statement::Declare { name, held: Box::new(held) })
    }

    fn set(&mut self) -> Result<Statement, String> {
        let what = self.word()?;
        match what.to_ascii_uppercase().as_str() {
            "REPEAT" => {
                self.symbol("=")?;
                self.number().map(Statement::Repeat)
            }
            "AUTO" if self.takes_symbol("=") => {
                self.keyword("OFF")?;
                Ok(Statement::AutoOff)
            }
            "AUTO" => {
                let names = self.names()?;
                self.symbol("=")?;
                self.keyword("ON")?;
                let mut repeat_ms = None;
                if self.takes_symbol(",") {
                    self.keyword("REPEAT")?;
                    self.symbol("=")?;
                    repeat_ms = Some(self.number()?);
                }
                Ok(Statement::AutoOn { names, repeat_ms })
            }
            "TRIGGER_TIME" => {
                let name = self.word()?;
                self.symbol("=")?;
                Ok(Statement::Trigger { name, at: self.text()? })
            }
            "AUTO_TIME" => {
                let name = self.word()?;
                self.symbol("=")?;
                let span = self.text()?;
                self.symbol(",")?;
                self.keyword("REPEAT")?;
                self.symbol("=")?;
                let repeat_ms = self.number()?;
                let (start, stop) = match span.split_once('/') {
                    Some((start, stop)) => (start.to_owned(), Some(stop.to_owned())),
                    None => (span, None),
                };
                Ok(Statement::AutoTime { name, start, stop, repeat_ms })
            }
            _ => Err("Invalid set clause entry".to_owned()),
        }
    }

    fn condition_if_any(&mut self) -> Result<Option<Condition>, String> {
        if !self.is_keyword("WHERE") {
            return Ok(None);
        }
        self.at += 1;
        self.any().map(Some)
    }

    fn any(&mut self) -> Result<Condition, String> {
        let first = self.all()?;
        self.chain("OR", first, Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, String> {
        let first = self.one()?;
        self.chain("AND", first, Self::one, Condition::All)
    }

    fn chain(
        &mut self,
        keyword: &str,
        first: Condition,
        next: impl Fn(&mut Self) -> Result<Condition, String>,
        make: impl Fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, String> {
        let mut parts = vec![first];
        while self.is_keyword(keyword) {
            self.at += 1;
            parts.push(next(self)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                Ok(make(parts))
            }
        }
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.is_keyword("NOT") {
            self.at += 1;
            return self.nested(|parser| parser.one().map(|inner| Condition::Not(Box::new(inner))));
        }
        if self.takes_symbol("(") {
            return self.nested(|parser| {
                let inner = parser.any()?;
                parser.symbol(")")?;
                Ok(inner)
            });
        }
        let column = self.word()?;
        let Some(Token::Symbol(symbol)) = self.next() else { return Err(self.unexpected_before()) };
        let operator = match *symbol {
            "=" => Operator::Equal,
            "<>" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return Err(self.unexpected_before()),
        };
        Ok(Condition::Compare { column: canonical(&column), operator, value: self.value()? })
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEEPEST {
            return Err("Syntax Error".to_owned());
        }
        self.depth += 1;
        let outcome = inner(self);
        self.depth -= 1;
        outcome
    }

    fn names(&mut self) -> Result<Vec<String>, String> {
        let mut names = vec![self.word()?];
        while self.takes_symbol(",") {
            names.push(self.word()?);
        }
        Ok(names)
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word.clone()),
            _ => Err(self.unexpected_before()),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text.clone()),
            _ => Err(self.unexpected_before()),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        match self.next() {
            Some(Token::Number(number)) => Ok(*number),
            _ => Err(self.unexpected_before()),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next() {
            Some(Token::Number(number)) => Ok(Value::Number(*number)),
            Some(Token::Hex(digits)) => Ok(Value::Hex(digits.clone())),
            Some(Token::Text(text)) => Ok(Value::Text(text.clone())),
            _ => Err(self.unexpected_before()),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.is_keyword(keyword) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.takes_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(takes);
        takes
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&Token> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    /// The message about the token that is next.
    ///
    /// Where the statement ended too early, one source puts a line feed between the quotes, which
    /// breaks the framing of replies; this one leaves them empty.
    fn unexpected(&self) -> String {
        format!("syntax error at '{}'", self.peek().map(Token::to_string).unwrap_or_default())
    }

    fn unexpected_before(&mut self) -> String {
        self.at = self.at.saturating_sub(1);
        self.unexpected()
    }
}

/// One name for each of the columns that have two (§2).
fn canonical(column: &str) -> String {
    match column {
        "protocol" => "protocol_id",
        "antenna" => "antenna_id",
        "tag_id" => "id",
        "blocknum" => "block_number",
        column => column,
    }
    .to_owned()
}
