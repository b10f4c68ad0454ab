//! What a query may be: one `SELECT`, or a question about the tables. Everything else is refused by
//! name, before it is planned; the plan is looked at once more after.
//!
//! The text is bounded too. The parser bounds nesting by itself, but not chains (`1 + 1 + …`), which
//! later stages walk by recursion; and a long literal stands in memory once for each row.

use std::ops::ControlFlow;

use datafusion::logical_expr::sqlparser::ast::{
    ObjectName, Query, SetExpr, Statement as Sql, visit_relations,
};
use datafusion::logical_expr::sqlparser::dialect::GenericDialect;
use datafusion::logical_expr::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser::Statement;

use crate::error::{HuntError, Kind};

/// Longest text of a query, in bytes.
const LONGEST: usize = 1 << 20;
/// Longest literal, in bytes.
const LITERAL: usize = 8 << 10;
/// Most operators.
const OPERATORS: usize = 2_000;

/// Words that chain like operators.
const CHAINING: [&str; 14] = [
    "AND",
    "OR",
    "NOT",
    "XOR",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "MINUS",
    "JOIN",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "IS",
    "COLLATE",
];

/// Refuses text that would take too much before it is even understood.
pub(crate) fn check_text(sql: &str) -> Result<(), HuntError> {
    let too_much = |what: String| Err(HuntError::new(Kind::Limit, what));
    if sql.len() > LONGEST {
        return too_much("the query is longer than a mebibyte".to_owned());
    }
    // What cannot be cut into words is the parser's to explain.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let mut operators = 0;
    for token in &tokens {
        match token {
            Token::SingleQuotedString(text)
            | Token::DoubleQuotedString(text)
            | Token::NationalStringLiteral(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text)
            | Token::HexStringLiteral(text)
                if text.len() > LITERAL =>
            {
                return too_much(format!("a text in the query is longer than {LITERAL} bytes"));
            }
            Token::Word(word) => {
                let chains = CHAINING.iter().any(|c| word.value.eq_ignore_ascii_case(c));
                operators += usize::from(word.quote_style.is_none() && chains);
            }
            Token::Whitespace(_)
            | Token::Comma
            | Token::LParen
            | Token::RParen
            | Token::Period
            | Token::Number(..)
            | Token::SemiColon
            | Token::EOF
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_) => {}
            _ => operators += 1,
        }
    }
    if operators > OPERATORS {
        return Err(HuntError::new(
            Kind::Limit,
            format!("the query has {operators} operators, and {OPERATORS} are the most"),
        )
        .hint("use IN (…), or bring a list along with --table"));
    }
    Ok(())
}

/// Refuses what is not a question.
pub(crate) fn check(statement: &Statement) -> Result<(), HuntError> {
    match statement {
        Statement::Statement(sql) => check_sql(sql),
        Statement::Explain(explain) => check(&explain.statement),
        Statement::CreateExternalTable(_) => Err(refused("CREATE EXTERNAL TABLE")),
        Statement::CopyTo(_) => Err(refused("COPY")),
        Statement::Reset(_) => Err(refused("RESET")),
    }
}

fn check_sql(sql: &Sql) -> Result<(), HuntError> {
    match sql {
        Sql::Query(query) => {
            check_query(query)?;
            check_relations(sql)
        }
        Sql::Explain { statement, .. } => check_sql(statement),
        Sql::ShowTables { .. } | Sql::ShowColumns { .. } | Sql::ExplainTable { .. } => Ok(()),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            Err(refused(&words.join(" ").to_uppercase()))
        }
    }
}

/// The engine's settings tell of the host (its folders, its memory).
fn check_relations(sql: &Sql) -> Result<(), HuntError> {
    let settings = visit_relations(sql, |name: &ObjectName| {
        let last = name.0.last().map(ToString::to_string).unwrap_or_default();
        match last.trim_matches('"').eq_ignore_ascii_case("df_settings") {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    if settings.is_break() { Err(refused("reading the engine's settings")) } else { Ok(()) }
}

fn check_query(query: &Query) -> Result<(), HuntError> {
    for part in query.with.iter().flat_map(|with| &with.cte_tables) {
        check_query(&part.query)?;
    }
    check_set(&query.body)
}

fn check_set(set: &SetExpr) -> Result<(), HuntError> {
    match set {
        SetExpr::Select(select) if select.into.is_some() => Err(refused("SELECT INTO")),
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
        SetExpr::Query(query) => check_query(query),
        SetExpr::SetOperation { left, right, .. } => {
            check_set(left)?;
            check_set(right)
        }
        SetExpr::Insert(_) => Err(refused("INSERT")),
        SetExpr::Update(_) => Err(refused("UPDATE")),
        SetExpr::Delete(_) => Err(refused("DELETE")),
        SetExpr::Merge(_) => Err(refused("MERGE")),
    }
}

/// What the plan may hold.
pub(crate) fn options() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

fn refused(what: &str) -> HuntError {
    HuntError::new(
        Kind::Refused,
        format!("{what} is not allowed: a hunt reads the lake and changes nothing"),
    )
    .hint("use SELECT, or SHOW TABLES and DESCRIBE <table> to see what is there")
}
