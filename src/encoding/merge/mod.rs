//! The three-way merge behind typed writes: what a program changed in its view of a document is changed in the stored
//! document, and nothing else is.
//!
//! `base` is the stored body, `before` is what the program's type makes of it, serialized again, and `after` is that with the
//! program's changes. `base` may hold members the type does not know, and lack members the type fills in.
//!
//! # Rules
//!
//! * Equal `before` and `after` leave `base` as it is, byte for byte.
//! * `base` equal to `before`, byte for byte, becomes `after`: the type knows all that is there, and the order is the type's.
//! * Three objects are merged member by member, in the order of `base`. A member that `before` and `after` agree on keeps the bytes of `base`; one
//!   that differs is merged in turn; one that `after` lacks goes; one that neither has is unknown to the type and stays.
//!   Members that only `after` has are appended. A member that `before` and `after` agree on and `base` lacks is a default, and is not written.
//!   A change of an externally tagged enum's variant is the removal of one member and the addition of another.
//! * Three arrays are merged element by element: see `align`. The result has the elements of `after`, in their order. An unknown member
//!   stays with its element, and goes with it.
//! * Everything else becomes what `after` has.
//!
//! # What bytes do not tell
//!
//! Three bodies do not tell all about a type. Where they might not (a member unknown to the type stands in an object that was changed, or below a member or an element beside the changed one, and the like)
//! the merge has *doubts*, and `typed` asks the type: what it reads from the result must be what it reads from `after`. If it is not, then
//!
//! * a member that the type reads under another name (serde's `alias`) takes the name that the type writes, and is merged under it;
//! * a member that was unknown until another enum variant came to know it is removed, since `after` does not have it;
//! * a default that now would be another is written;
//! * elements that the type passed over are removed;
//!
//! and if that does not help either, the write is refused. So nothing is ever there twice, or read as something it was not.
//!
//! # What the type tells by itself
//!
//! Asking costs as much as reading and writing the document once more, and mostly need not be. A struct names all members it reads, `alias`es
//! included, before it sees any; `noting` writes down which of them there are, and that the struct did pass over the others. Then the type reads the
//! result as it reads `after` if each member that it knows is the same in both, and no question is left (`known`):
//!
//! * what `before` and `after` agree on must be stored as the type writes it, but for the order of members and for integers in the place of
//!   floats. More members deeper down, which an enum that passes for a struct may come to know, another unit, another name or a default that is not stored leaves a doubt;
//! * what differs becomes what `after` has, unless all three are objects or all three arrays, of which the stored one is not what the type writes: what is in there is
//!   merged as above;
//! * the type must read all that it writes, and write all that is there of what it reads.
//!
//! The result is that of the merge above, byte for byte: what is unknown is copied with what is around it, and not looked at. Types
//! that are not structs, structs with flattened parts, and types that look at more than they say go the long way.

mod align;
mod correspond;
pub(crate) mod error;
pub(crate) mod keys;
mod known;
mod lookup;
mod place;
pub(crate) mod question;
mod resolve;
mod same;
mod structural;
pub(crate) mod typed;

#[cfg(test)]
mod attributes;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod noted;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod trial;
