//! The routing tree: a centre, its groups, their points, and which of them a report goes to.

use super::Name;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What a node of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// The one at the root.
    Centre,
    /// People of one trade.
    Group,
    /// People of one trade in one place.
    Point,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub struct RoutingNode {
    /// Its code.
    pub code: String,
    /// What it is.
    pub kind: NodeKind,
    /// What people call it.
    pub name: Name,
    /// The node above; the centre has none.
    #[serde(default)]
    pub parent: Option<String>,
    /// The code of the unit that acts; without one, the unit of the node above.
    #[serde(default)]
    pub unit: Option<String>,
    /// Codes of the units that it serves, with all below them; all when there are none.
    #[serde(default)]
    pub serves: Vec<String>,
    /// The categories that it takes; none for a node that takes what its parent takes.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Whether nothing is sent there any more.
    #[serde(default)]
    pub retired: bool,
}

/// The tree.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Routing {
    nodes: Vec<RoutingNode>,
}

impl Routing {
    /// All nodes, as the document lists them.
    pub fn nodes(&self) -> &[RoutingNode] {
        &self.nodes
    }

    fn node(&self, code: &str) -> Option<&RoutingNode> {
        self.nodes.iter().find(|node| node.code == code)
    }

    /// The node and those above it, nearest first. A circle ends where it closes.
    fn upwards<'a>(&'a self, node: &'a RoutingNode) -> impl Iterator<Item = &'a RoutingNode> {
        let mut seen = BTreeSet::new();
        std::iter::successors(Some(node), |node| self.node(node.parent.as_deref()?))
            .take_while(move |node| seen.insert(node.code.as_str()))
    }

    /// Where a report of this category goes that was made in a unit, `lineage` being the codes of that unit and of all
    /// above it: the node nearest to the place that takes the category, and the code of the unit that acts there. The
    /// centre when nobody else takes it.
    pub fn route(&self, category: &str, lineage: &[&str]) -> Option<(&RoutingNode, Option<&str>)> {
        let takes = |node: &RoutingNode| {
            let list = self.upwards(node).find(|node| !node.categories.is_empty());
            list.is_some_and(|node| node.categories.iter().any(|each| each == category))
        };
        // The nearer the served unit is to the place, the better; what serves all comes last.
        let distance = |node: &RoutingNode| {
            if node.serves.is_empty() {
                return Some(lineage.len());
            }
            let near = |code: &&str| node.serves.iter().any(|serves| serves == *code);
            lineage.iter().position(near)
        };
        let best = self
            .nodes
            .iter()
            .filter(|node| !node.retired && node.kind != NodeKind::Centre && takes(node))
            .filter_map(|node| Some((distance(node)?, std::cmp::Reverse(node.kind), node)))
            .min_by_key(|(distance, kind, node)| (*distance, *kind, node.code.as_str()))
            .map(|(_, _, node)| node);
        let node = best.or_else(|| self.nodes.iter().find(|node| node.kind == NodeKind::Centre))?;
        let unit = self.upwards(node).find_map(|node| node.unit.as_deref());
        Some((node, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Routing {
        serde_json::from_str(json).expect("a tree")
    }

    #[test]
    fn a_report_goes_to_the_nearest_that_takes_it_and_to_the_centre_otherwise() {
        let routing = tree(
            r#"{"nodes": [
            {"code": "C", "kind": "centre", "name": {"zh": "中", "en": "c"}, "unit": "DESK", "categories": []},
            {"code": "FIRE", "kind": "group", "parent": "C", "name": {"zh": "火", "en": "f"}, "unit": "D1", "categories": ["FIR-01"]},
            {"code": "FIRE-7", "kind": "point", "parent": "FIRE", "name": {"zh": "火", "en": "f"}, "serves": ["44.007"], "unit": "D7", "categories": []},
            {"code": "FIRE-8", "kind": "point", "parent": "FIRE", "name": {"zh": "火", "en": "f"}, "serves": ["44.008"], "categories": [], "retired": true}
        ]}"#,
        );
        let go = |category, lineage: &[&str]| {
            let (node, unit) = routing.route(category, lineage).expect("a node");
            (node.code.clone(), unit.map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            go("FIR-01", &["44.007.001", "44.007", "44"]),
            ("FIRE-7".into(), some("D7"))
        );
        assert_eq!(
            go("FIR-01", &["44.008.001", "44.008", "44"]),
            ("FIRE".into(), some("D1"))
        );
        assert_eq!(go("SAN-01", &["44.007", "44"]), ("C".into(), some("DESK")));
    }

    #[test]
    fn a_circle_in_the_tree_ends() {
        let routing = tree(
            r#"{"nodes": [
            {"code": "A", "kind": "group", "parent": "B", "name": {"zh": "a", "en": "a"}, "categories": []},
            {"code": "B", "kind": "group", "parent": "A", "name": {"zh": "b", "en": "b"}, "categories": []}
        ]}"#,
        );
        assert!(routing.route("SAN-01", &["1"]).is_none());
    }
}
