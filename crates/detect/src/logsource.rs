//! Which rules see which events.

use model::LogSource;

/// Categories that stand for several: a rule of the first sees events of all the second
/// (Sigma's log source taxonomy, `registry_event` and `file_event` families).
const FAMILIES: &[(&str, &[&str])] =
    &[("registry_event", &["registry_add", "registry_set", "registry_delete", "registry_rename"])];

/// True when a rule of the log source `rule` is meant for events of `event`: whatever the rule
/// names must be what the event is; what it leaves out may be anything.
pub(crate) fn sees(rule: &LogSource, event: &LogSource) -> bool {
    part(rule.product.as_deref(), event.product.as_deref())
        && part(rule.service.as_deref(), event.service.as_deref())
        && category(rule.category.as_deref(), event.category.as_deref())
}

fn part(rule: Option<&str>, event: Option<&str>) -> bool {
    rule.is_none_or(|rule| event == Some(rule))
}

fn category(rule: Option<&str>, event: Option<&str>) -> bool {
    part(rule, event)
        || event.is_some_and(|event| {
            FAMILIES
                .iter()
                .any(|(family, members)| rule == Some(*family) && members.contains(&event))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_sees_what_it_does_not_exclude() {
        let sysmon = LogSource::new("windows", "process_creation", "sysmon");
        for (product, category, service, seen) in [
            ("windows", "process_creation", "", true),
            ("windows", "", "sysmon", true),
            ("windows", "", "security", false),
            ("", "", "", true),
            ("linux", "process_creation", "", false),
            ("windows", "registry_event", "", false),
        ] {
            assert_eq!(sees(&LogSource::new(product, category, service), &sysmon), seen);
        }
        let set = LogSource::new("windows", "registry_set", "sysmon");
        assert!(sees(&LogSource::new("windows", "registry_event", ""), &set));
        let event = LogSource::new("windows", "registry_event", "sysmon");
        assert!(!sees(&LogSource::new("windows", "registry_set", ""), &event));
        assert!(!sees(&set, &LogSource::default()));
    }
}
