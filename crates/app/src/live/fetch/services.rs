//! What services can be asked: the definitions below `polls/` of the content.

use std::collections::BTreeMap;
use std::sync::Arc;

use collect::poll::Definition;

use crate::content::{Content, Text};

/// Definitions by name. What has mistakes is left out, and said.
pub(super) fn load(content: &Content) -> (BTreeMap<String, Arc<Definition>>, Vec<String>) {
    let (mut all, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, text) in content.below("polls") {
        match read(name, text) {
            Ok(definition) => drop(all.insert(definition.name.clone(), Arc::new(definition))),
            Err(problem) => problems.push(format!("{}: {problem}", text.path)),
        }
    }
    (all, problems)
}

fn read(path: &str, text: &Text) -> Result<Definition, String> {
    // By way of JSON: a choice is then a key with what belongs to it.
    let value: serde_json::Value =
        yaml_serde::from_str(&text.text).map_err(|error| error.to_string())?;
    let definition: Definition =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    let folder = path.split('/').nth(1).unwrap_or_default();
    if definition.name != folder {
        return Err(format!("is called `{}` in the folder `{folder}`", definition.name));
    }
    // With anything set, what is left is a hole that nothing fills.
    let all = definition.settings.keys().map(|name| (name.clone(), "x".to_owned())).collect();
    definition.check(&all).map_err(|error| error.to_string())?;
    Ok(definition)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_service_that_is_built_in_is_sound() {
        let (all, problems) = load(&Content::built_in());
        assert_eq!(problems, Vec::<String>::new());
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert!(names.contains(&"okta_system_log") && names.len() >= 6, "{names:?}");
        for definition in all.values() {
            assert!(definition.about.contains("://") && !definition.title.is_empty());
        }
    }

    #[test]
    fn a_hole_that_nothing_fills_is_a_mistake() {
        let content = Content::built_in();
        let (_, text) = content.below("polls").find(|(name, _)| name.contains("github")).unwrap();
        let wrong = Text { text: text.text.replace("{org}", "{organisation}"), ..text.clone() };
        let said = read("polls/github_audit_log/poll.yml", &wrong).unwrap_err();
        assert!(said.contains("nothing fills {organisation}"), "{said}");
        let said = read("polls/other/poll.yml", text).unwrap_err();
        assert!(said.contains("in the folder `other`"), "{said}");
    }
}
