#!/bin/sh
# Run once by the image, on a new volume: the owner of the schema, who is no superuser, and the database.
# All the rest `globalmart migrate` does, at every start.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv owner OWNER_USER
\getenv password OWNER_PASSWORD
\getenv database OWNER_DATABASE
CREATE ROLE :"owner" LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"owner";
SQL
