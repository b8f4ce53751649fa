use crate::schema::Family;
pub fn modules(_: &[Family]) -> String {
    String::new()
}
pub fn dispatch(_: &[Family]) -> String {
    String::new()
}
