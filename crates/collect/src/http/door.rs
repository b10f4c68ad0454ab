//! Where requests come in: methods and paths.

/// A method and a path that a protocol takes requests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// The method. HEAD goes where GET goes.
    pub method: &'static str,
    /// The path, from its slash on. `{name}` stands for one part of it that is not empty, `{*name}` for
    /// one part or more.
    pub path: &'static str,
    /// Anybody may ask: it tells nothing of anybody. Everything else wants a sender's token.
    pub open: bool,
}

/// A door for those with a token.
pub(super) const fn door(method: &'static str, path: &'static str) -> Door {
    Door { method, path, open: false }
}

/// A door for anybody.
pub(super) const fn open(method: &'static str, path: &'static str) -> Door {
    Door { method, path, open: true }
}

impl Door {
    /// Whether requests of this method come in here.
    pub(super) fn takes(&self, method: &http::Method) -> bool {
        self.methods().any(|taken| taken == method.as_str())
    }

    /// The methods that come in here.
    pub(super) fn methods(&self) -> impl Iterator<Item = &'static str> + use<> {
        let head = (self.method == "GET").then_some("HEAD");
        std::iter::once(self.method).chain(head)
    }

    /// Whether a path leads here. A slash at its end does not count.
    pub(super) fn leads(&self, path: &str) -> bool {
        let mut parts = path.trim_end_matches('/').split('/');
        let mut wanted = self.path.trim_end_matches('/').split('/');
        loop {
            match (wanted.next(), parts.next()) {
                (None, None) => return true,
                (Some(name), Some(part)) if name.starts_with("{*") => return !part.is_empty(),
                (Some(name), Some(part)) if name.starts_with('{') => {
                    if part.is_empty() {
                        return false;
                    }
                }
                (Some(name), Some(part)) if name == part => {}
                _ => return false,
            }
        }
    }

    /// Whether the path is written out: then it is nobody else's, whatever the method.
    pub(super) fn is_plain(&self) -> bool {
        !self.path.contains('{')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_doors() {
        for (path, request, leads) in [
            ("/", "/", true),
            ("/", "/x", false),
            ("/_bulk", "/_bulk/", true),
            ("/_bulk", "/_bulk/x", false),
            ("/{index}/_bulk", "/logs/_bulk", true),
            ("/{index}/_bulk", "//_bulk", false),
            ("/{index}/_bulk", "/a/b/_bulk", false),
            ("/{index}", "/", false),
            ("/_cat/{*what}", "/_cat/templates/x", true),
            ("/_cat/{*what}", "/_cat", false),
        ] {
            assert_eq!(door("GET", path).leads(request), leads, "{path} {request}");
        }
        assert!(door("GET", "/").takes(&http::Method::HEAD));
        assert!(!door("POST", "/").takes(&http::Method::HEAD));
    }
}
