#!/bin/sh
# Run once by the image, on a new volume: the owner of the schema, who is no superuser, and the database.
# What follows, `globalmart migrate` does, at every start.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv password OWNER_PASSWORD
CREATE ROLE globalmart LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE globalmart OWNER globalmart;
SQL
