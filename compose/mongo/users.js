// Run once by the image, on a new volume: the batch writes the warehouse, the API and people read it.
const warehouse = process.env.MONGO_DATABASE;
const users = db.getSiblingDB("admin");
users.createUser({
  user: "globalmart_batch",
  pwd: process.env.MONGO_BATCH_PASSWORD,
  // dbAdmin: the views named like the marts are moved by collMod.
  roles: [{ role: "readWrite", db: warehouse }, { role: "dbAdmin", db: warehouse }],
});
users.createUser({
  user: "globalmart_reader",
  pwd: process.env.MONGO_READER_PASSWORD,
  roles: [{ role: "read", db: warehouse }],
});
