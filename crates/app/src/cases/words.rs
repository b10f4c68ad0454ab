//! The words with which people ask and rules are written: what a question can name.

use std::collections::BTreeSet;

use model::{EntityKind, Technique};
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::{Caller, Permission};
use crate::failure::Failure;
use crate::live::Floor;

/// What a question can name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Words {
    /// The columns of `events` that OCSF describes, in order.
    pub columns: Vec<ColumnWord>,
    /// The functions beside SQL's own.
    pub functions: Vec<FunctionWord>,
    /// The ATT&CK techniques that the rules in force name.
    pub techniques: Vec<TechniqueWord>,
}

/// A technique of ATT&CK.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TechniqueWord {
    /// Its id.
    pub id: Technique,
    /// Its name, after that of its parent; empty where the id is not known.
    pub name: String,
}

/// A column of `events`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ColumnWord {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its path in OCSF.
    pub path: &'static str,
    /// What it holds: `text`, `number`, `boolean`, `time`, `json`.
    pub kind: &'static str,
    /// Whether people look for its values: they are found quickly.
    pub pivot: bool,
    /// The kind of entity that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityKind>,
}

/// A function.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FunctionWord {
    /// How it is called.
    pub call: &'static str,
    /// What it gives.
    pub about: &'static str,
}

impl Floor {
    /// What a question can name.
    pub fn words(&self, caller: &Caller) -> Result<Words, Failure> {
        caller.may(Permission::Read)?;
        let columns = ocsf::COLUMNS.iter().map(|column| ColumnWord {
            name: column.name,
            path: column.path,
            kind: match column.kind {
                ocsf::Kind::Text => "text",
                ocsf::Kind::Int | ocsf::Kind::Long | ocsf::Kind::Double => "number",
                ocsf::Kind::Bool => "boolean",
                ocsf::Kind::Time => "time",
                ocsf::Kind::Json => "json",
            },
            pivot: column.pivot,
            entity: column.entity,
        });
        let functions = hunt::FUNCTIONS.iter();
        let function = |f: &hunt::FunctionInfo| FunctionWord { call: f.call, about: f.about };
        let stages = self.0.stages();
        let rules = stages.rules.list().iter();
        let named: BTreeSet<_> = rules.flat_map(|rule| rule.techniques.iter().cloned()).collect();
        let techniques = named.into_iter().map(|id| {
            let name = report::technique_name(&id.0);
            TechniqueWord { id, name }
        });
        Ok(Words {
            columns: columns.collect(),
            functions: functions.map(function).collect(),
            techniques: techniques.collect(),
        })
    }
}
