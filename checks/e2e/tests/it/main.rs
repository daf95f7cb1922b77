//! The program as its users run it: commands in a folder of their own, and what becomes of it under bad luck and bad people.

#[cfg(test)]
mod access;
#[cfg(test)]
mod candidates;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod crash_points;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod kill_serve;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod push;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod rogue;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod world;
