//! The query of a request: few, short, decoded.

/// More parameters are not looked at.
const MOST: usize = 64;

/// Longer values are cut off at this many characters: they are names and labels.
const LONGEST: usize = 1024;

/// The parameters of a query, in its order.
#[derive(Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(MOST);
        let owned = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (name.chars().take(LONGEST).collect(), value.chars().take(LONGEST).collect())
        };
        Self(pairs.map(owned).collect())
    }

    /// The first value of this name that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The first of each of these names, as labels of a delivery.
    pub(crate) fn labels(&self, names: &[&str]) -> Vec<(String, String)> {
        let label = |name: &&str| Some(((*name).to_owned(), self.get(name)?.to_owned()));
        names.iter().filter_map(label).collect()
    }
}
