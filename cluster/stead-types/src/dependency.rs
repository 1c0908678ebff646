use std::collections::BTreeSet;
use std::fmt;

use crate::name::{NameError, ResourceName};

/// Which providers a resource needs: a list of sets, of each of which at least one must be Online.
///
/// Windows: clusapi/nf-clusapi-setclusterresourcedependencyexpression
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dependency {
    sets: Vec<Vec<ResourceName>>,
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DependencyError {
    /// Something other than what may stand here.
    Syntax {
        /// Byte offset in the expression.
        at: usize,
        /// What may stand here.
        expected: &'static str,
    },
    /// What stands between brackets is no resource name.
    Name(NameError),
    /// A provider occurs more than once.
    Repeated(ResourceName),
}

impl fmt::Display for DependencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DependencyError::Syntax { at, expected } => {
                write!(f, "dependency expression: expected {expected} at character {}", at + 1)
            }
            DependencyError::Name(_) => f.write_str("dependency expression holds a bad name"),
            DependencyError::Repeated(name) => {
                write!(f, "dependency expression names [{name}] more than once")
            }
        }
    }
}

impl std::error::Error for DependencyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DependencyError::Name(error) => Some(error),
            DependencyError::Syntax { .. } | DependencyError::Repeated(_) => None,
        }
    }
}

impl Dependency {
    /// Reads an expression such as `[disk] and ([ip1] or [ip2])`. The empty string is no dependency, and a bare
    /// list of alternatives (`[a] or [b]`) is accepted.
    ///
    /// # Errors
    /// Where it stops making sense, and what may stand there.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        Parser { text, at: 0 }.expression()
    }

    /// The sets, each with at least one provider.
    #[must_use]
    pub fn sets(&self) -> &[Vec<ResourceName>] {
        &self.sets
    }

    /// Every provider named.
    pub fn providers(&self) -> impl Iterator<Item = &ResourceName> {
        self.sets.iter().flatten()
    }

    /// True if nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// True if each set has a provider for which `online` holds.
    pub fn satisfied(&self, mut online: impl FnMut(&ResourceName) -> bool) -> bool {
        self.sets.iter().all(|set| set.iter().any(&mut online))
    }
}

impl fmt::Display for Dependency {
    /// The expression, a set of several always in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, set) in self.sets.iter().enumerate() {
            let names: Vec<String> = set.iter().map(|name| format!("[{name}]")).collect();
            let joined = names.join(" or ");
            let and = if index == 0 { "" } else { " and " };
            if set.len() > 1 {
                write!(f, "{and}({joined})")?;
            } else {
                write!(f, "{and}{joined}")?;
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn expression(mut self) -> Result<Dependency, DependencyError> {
        let mut sets = Vec::new();
        self.space();
        if self.rest().is_empty() {
            return Ok(Dependency::default());
        }
        let mut bare_alternatives = false;
        loop {
            if self.take("(") {
                sets.push(self.alternatives()?);
                if !self.take(")") {
                    return Err(self.expected("\"or\" or \")\""));
                }
            } else {
                let set = self.alternatives()?;
                bare_alternatives |= set.len() > 1;
                sets.push(set);
            }
            if self.rest().is_empty() {
                break;
            }
            // `[a] or [b] and [c]` has two readings; only parentheses say which is meant.
            if bare_alternatives || !self.word("and") {
                return Err(self.expected(if bare_alternatives {
                    "the end (put the alternatives in parentheses)"
                } else {
                    "\"and\""
                }));
            }
            if !self.rest().starts_with('(') {
                let before = self.at;
                let set = self.alternatives()?;
                if set.len() > 1 {
                    self.at = before;
                    return Err(self.expected("parentheses around the alternatives"));
                }
                self.at = before;
            }
        }
        let mut seen = BTreeSet::new();
        for name in sets.iter().flatten() {
            if !seen.insert(name.clone()) {
                return Err(DependencyError::Repeated(name.clone()));
            }
        }
        Ok(Dependency { sets })
    }

    fn alternatives(&mut self) -> Result<Vec<ResourceName>, DependencyError> {
        let mut set = vec![self.resource()?];
        while self.word("or") {
            set.push(self.resource()?);
        }
        Ok(set)
    }

    fn resource(&mut self) -> Result<ResourceName, DependencyError> {
        if !self.take("[") {
            return Err(self.expected("a resource name in brackets, as in [disk]"));
        }
        let Some(end) = self.rest().find(']') else {
            self.at = self.text.len();
            return Err(self.expected("\"]\""));
        };
        let name = ResourceName::new(self.rest()[..end].trim()).map_err(DependencyError::Name)?;
        self.at += end + 1;
        self.space();
        Ok(name)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
            self.space();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
            self.space();
        }
        found
    }

    fn expected(&self, expected: &'static str) -> DependencyError {
        DependencyError::Syntax { at: self.at, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Dependency::parse(text).map_or_else(|error| error.to_string(), |dependency| dependency.to_string())
    }

    #[test]
    fn setclusterresourcedependencyexpression_grammar() {
        assert_eq!(shown(""), "");
        assert_eq!(shown("  "), "");
        assert_eq!(shown("[a]"), "[a]");
        assert_eq!(shown("[a] AND [b]"), "[a] and [b]");
        assert_eq!(shown("([a]or[b])and[c d]"), "([a] or [b]) and [c d]");
        assert_eq!(shown("[c] and ([a] or [b])"), "[c] and ([a] or [b])");
        assert_eq!(shown("[a] or [b]"), "([a] or [b])", "a bare list of alternatives is accepted");
    }

    #[test]
    fn errors_say_where_and_what() {
        assert_eq!(
            shown("disk"),
            "dependency expression: expected a resource name in brackets, as in [disk] at character 1"
        );
        assert_eq!(shown("[a"), "dependency expression: expected \"]\" at character 3");
        assert_eq!(shown("[a] [b]"), "dependency expression: expected \"and\" at character 5");
        assert_eq!(shown("[a] and [A]"), "dependency expression names [A] more than once");
        assert!(shown("[a] or [b] and [c]").contains("put the alternatives in parentheses"));
        assert!(shown("[c] and [a] or [b]").contains("parentheses around the alternatives"));
        assert!(shown("([a] or [b]").contains("\"or\" or \")\""));
    }

    #[test]
    fn every_set_needs_one() {
        let dependency = Dependency::parse("[a] and ([b] or [c])").unwrap();
        let online =
            |names: &'static [&'static str]| dependency.satisfied(|name| names.contains(&name.as_str()));
        assert!(online(&["a", "c"]));
        assert!(!online(&["a"]));
        assert!(!online(&["b", "c"]));
    }
}
